//! What needs privileges: a full volume, another user, another volume, owners. Without them a trial is reported as
//! ignored, with the reason.

mod common;

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use common::tree::{assert_same, leftovers, noise, set_mode, tree};
use common::{Ran, Sandbox};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::json;

/// A copy of the program, which itself may lie where only root can go. It is made before the first trial: a program that
/// is still open for writing in any process cannot be run.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Whom nobody's files belong to.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let program = PROGRAM.get_or_init(|| directory.path().join("haul"));
    std::fs::copy(env!("CARGO_BIN_EXE_haul"), program).expect("a copy of the program");
    set_mode(program, 0o755);
    set_mode(directory.path(), 0o755);
    let trials = vec![
        needs_root("a_full_volume_fails_items_and_keeps_old_files", a_full_volume),
        needs_root("a_full_volume_fails_put", a_full_volume_fails_put),
        needs_root("mv_to_another_volume_keeps_everything", mv_to_another_volume),
        needs_root("mv_to_a_full_volume_loses_nothing", mv_to_a_full_volume),
        needs_root("mv_to_another_volume_replaces_no_directory", mv_replaces_no_directory),
        needs_root("an_unreadable_file_is_an_item_that_fails", unreadable_file),
        needs_root("an_unreadable_directory_stops_deleting", unreadable_directory),
        needs_root("a_forbidden_destination_is_told", forbidden_destination),
        needs_root("read_only_directories_for_an_ordinary_user", read_only_directories),
        needs_root("leftovers_of_somebody_else_do_no_harm", leftovers_of_somebody_else),
        needs_root("owners_are_kept_for_root_only", owners),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A trial that does nothing but tell why, where this process is not root or cannot mount.
fn needs_root(name: &str, trial: fn()) -> Trial {
    Trial::ignorable_test(name, move || -> Result<Completion, Failed> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Completion::ignored_with("needs root"));
        }
        if let Err(why) = Volume::mount("64k") {
            return Ok(Completion::ignored_with(format!("cannot mount: {why}")));
        }
        trial();
        Ok(Completion::Completed)
    })
}

/// A small volume, unmounted when dropped.
struct Volume {
    at: tempfile::TempDir,
}

impl Volume {
    fn mount(size: &str) -> Result<Self, String> {
        let at = tempfile::tempdir().map_err(|e| e.to_string())?;
        let options = std::ffi::CString::new(format!("size={size},mode=0755")).map_err(|e| e.to_string())?;
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", at.path(), "tmpfs", flags, Some(options.as_c_str()))
            .map_err(|e| e.to_string())?;
        Ok(Self { at })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.at.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

/// The program as somebody without privileges, in a sandbox that everybody may use.
fn as_nobody(sandbox: &Sandbox, args: &[&str]) -> Ran {
    set_mode(sandbox.path(), 0o777);
    let mut command = Command::new(PROGRAM.get().expect("it is made before the first trial"));
    command.current_dir(sandbox.path()).args(args).uid(NOBODY).gid(NOBODY);
    Ran::of(command.stdin(std::process::Stdio::null()))
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("a temporary path is text")
}

fn a_full_volume() {
    let (sandbox, volume) = (Sandbox::new(), Volume::mount("2m").expect("it worked before"));
    let d = text(volume.path("d"));
    sandbox.put("s/fits", noise(1, 100_000));
    sandbox.put("s/grows", noise(2, 4 << 20));
    sandbox.put("s/zz", noise(3, 100_000));
    std::fs::create_dir(&d).expect("a directory");
    std::fs::write(volume.path("d/grows"), "old").expect("a file");
    std::fs::write(volume.path("d/extra"), "mine").expect("a file");
    let ran = sandbox.run(["sync", "s", &d, "--delete", "--jobs", "1"]).ends(1);
    let ran = ran.tells("`grows`").tells("No space left").tells("1 failed").tells("left out");
    assert_eq!(std::fs::read(volume.path("d/grows")).expect("it stays"), b"old", "{ran:?}");
    assert_eq!(std::fs::read(volume.path("d/extra")).expect("it stays"), b"mine");
    assert!(std::fs::read(volume.path("d/zz")).expect("the rest is done") == noise(3, 100_000));
    assert_eq!(leftovers(&volume.path("d")).len(), 0);
    std::fs::remove_file(sandbox.at("s/grows")).expect("it is there");
    sandbox.run(["sync", "s", &d, "--delete"]).ok();
    assert_same(&sandbox.at("s"), &volume.path("d"));
}

fn a_full_volume_fails_put() {
    let (sandbox, volume) = (Sandbox::new(), Volume::mount("1m").expect("it worked before"));
    let to = text(volume.path("f"));
    std::fs::write(&to, "old").expect("a file");
    sandbox.feed(["put", "-", &to], &noise(1, 3 << 20)).ends(2).tells("No space left");
    assert_eq!(std::fs::read(&to).expect("it stays"), b"old");
    assert_eq!(leftovers(&volume.path("")).len(), 0);
}

fn mv_to_another_volume() {
    let (sandbox, volume) = (Sandbox::new(), Volume::mount("4m").expect("it worked before"));
    for tree in ["s", "expected"] {
        sandbox.put(format!("{tree}/d/f"), "content");
        sandbox.link("f", format!("{tree}/d/link"));
        sandbox.mkdir(format!("{tree}/d/empty"));
        sandbox.put(format!("{tree}/single"), "single");
        for (name, owner) in [("d/f", 1_001), ("single", 1_002), ("d/empty", 1_003), ("d", 1_004)] {
            let path = sandbox.at(tree).join(name);
            chown(&path, Some(owner), Some(owner)).expect("root may");
            set_mode(&path, if path.is_dir() { 0o750 } else { 0o4640 });
            common::tree::set_modified(&path, 1_000_000_000_000_000_000);
        }
    }
    let to = text(volume.path("to"));
    std::fs::create_dir(&to).expect("a directory");
    sandbox.run(["mv", "s/d", "s/single", &to]).ok();
    assert_eq!(tree(&sandbox.at("s")).len(), 0);
    for (name, owner) in [("d/f", 1_001), ("single", 1_002), ("d/empty", 1_003), ("d", 1_004)] {
        let (is, was) = (volume.path("to").join(name), sandbox.at("expected").join(name));
        let (is, was) = (is.metadata().expect("it was moved"), was.metadata().expect("it is there"));
        assert_eq!((is.uid(), is.gid()), (owner, owner), "{name}");
        assert_eq!((is.mode(), is.mtime()), (was.mode(), was.mtime()), "{name}");
    }
    assert!(volume.path("to/d/link").is_symlink());
}

/// As the rename on one volume: a directory takes the place of an empty one, and with `-n` of none.
fn mv_replaces_no_directory() {
    let (sandbox, volume) = (Sandbox::new(), Volume::mount("1m").expect("it worked before"));
    sandbox.put("d/f", "new");
    std::fs::create_dir(volume.path("d")).expect("a directory");
    let to = text(volume.path(""));
    sandbox.run(["mv", "-n", "d", &to]).ends(1).tells("exists");
    std::fs::write(volume.path("d/f"), "old").expect("a file");
    sandbox.run(["mv", "-n", "d", &to]).ends(1).tells("exists");
    sandbox.run(["mv", "d", &to]).ends(1).tells("exists");
    assert_eq!(std::fs::read(volume.path("d/f")).expect("it stays"), b"old");
    assert_eq!(sandbox.read("d/f"), b"new");
    std::fs::remove_file(volume.path("d/f")).expect("it is there");
    sandbox.run(["mv", "d", &to]).ok();
    assert_eq!(std::fs::read(volume.path("d/f")).expect("it was moved"), b"new");
}

fn mv_to_a_full_volume() {
    let (sandbox, volume) = (Sandbox::new(), Volume::mount("1m").expect("it worked before"));
    sandbox.put("d/a", "small");
    sandbox.put("d/large", noise(1, 3 << 20));
    let before = tree(&sandbox.at("d"));
    let to = text(volume.path("to"));
    sandbox.run(["mv", "d", &to]).ends(1).tells("No space left").tells("nothing of the source was removed");
    sandbox.run(["mv", "d/large", &to]).ends(1);
    assert_eq!(tree(&sandbox.at("d")), before);
    assert_eq!(leftovers(&volume.path("")).len(), 0);
}

fn unreadable_file() {
    let sandbox = Sandbox::new();
    set_mode(&sandbox.put("s/secret", "secret"), 0o600);
    sandbox.put("s/plain", "x");
    let ran = as_nobody(&sandbox, &["sync", "s", "d"]).ends(1).tells("`secret`").tells("permission denied");
    ran.tells("1 failed");
    assert_eq!(sandbox.read("d/plain"), b"x");
    assert!(!sandbox.exists("d/secret"));
    assert_eq!(as_nobody(&sandbox, &["cat", "s/secret", "s/plain"]).ends(1).tells("`s/secret`").out(), "x");
    as_nobody(&sandbox, &["hash", "s/secret"]).ends(1).tells("permission denied");
    let ran = as_nobody(&sandbox, &["check", "s", "d"]).ends(1);
    assert_eq!(ran.out(), "+ secret\n");
}

fn unreadable_directory() {
    let sandbox = Sandbox::new();
    sandbox.put("s/locked/f", "x");
    sandbox.put("s/plain", "x");
    as_nobody(&sandbox, &["sync", "s", "d"]).ok();
    set_mode(&sandbox.at("s/locked"), 0o700);
    let ran = as_nobody(&sandbox, &["sync", "s", "d", "--delete"]).ends(1);
    ran.tells("`locked/`").tells("permission denied").tells("left out because of failures");
    assert_eq!(sandbox.read("d/locked/f"), b"x", "what cannot be seen is not missing");
    // The source as a whole cannot be read.
    set_mode(&sandbox.at("s"), 0o700);
    as_nobody(&sandbox, &["sync", "s", "d", "--delete"]).ends(2).tells("permission denied");
    assert_eq!(sandbox.read("d/plain"), b"x");
}

fn forbidden_destination() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    sandbox.put("s/dir/f", "x");
    sandbox.put("d/dir/f", "mine");
    set_mode(&sandbox.mkdir("forbidden"), 0o755);
    as_nobody(&sandbox, &["sync", "s", "forbidden/d"]).ends(2).tells("permission denied");
    set_mode(&sandbox.at("d"), 0o777);
    as_nobody(&sandbox, &["sync", "s", "d"]).ends(1).tells("`dir/f`").tells("permission denied");
    assert_eq!((sandbox.read("d/f"), sandbox.read("d/dir/f")), (b"x".to_vec(), b"mine".to_vec()));
    as_nobody(&sandbox, &["rm", "-r", "d/dir"]).ends(1).tells("permission denied");
    as_nobody(&sandbox, &["put", "s/f", "forbidden/f"]).ends(2).tells("permission denied");
    as_nobody(&sandbox, &["mkdir", "forbidden/x"]).ends(1).tells("permission denied");
}

fn read_only_directories() {
    let sandbox = Sandbox::new();
    sandbox.put("s/locked/below/f", "x");
    set_mode(&sandbox.at("s/locked/below"), 0o555);
    set_mode(&sandbox.at("s/locked"), 0o555);
    as_nobody(&sandbox, &["sync", "s", "d"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    let summary = as_nobody(&sandbox, &["sync", "s", "d", "--json"]).ok().summary();
    assert_eq!((&summary["copied"], &summary["updated"]), (&json!(0), &json!(0)));
}

/// Another user's killed run must not keep everybody else from working.
fn leftovers_of_somebody_else() {
    let sandbox = Sandbox::new();
    sandbox.put("s/shared/f", "x");
    as_nobody(&sandbox, &["sync", "s", "d"]).ok();
    set_mode(&sandbox.put("d/shared/.haul-0123456789abcdef.tmp", "half"), 0o600);
    sandbox.put("s/shared/g", "y");
    as_nobody(&sandbox, &["sync", "s", "d"]).ok();
    assert_eq!(sandbox.read("d/shared/g"), b"y");
    // It may be removed only by its owner where the directory says so.
    chown(sandbox.at("d/shared"), Some(0), Some(0)).expect("root may");
    set_mode(&sandbox.at("d/shared"), 0o1777);
    set_mode(&sandbox.put("d/shared/.haul-0123456789abcdef.tmp", "half"), 0o644);
    set_mode(&sandbox.at("s/shared"), 0o1777);
    sandbox.put("s/other", "z");
    let ran = as_nobody(&sandbox, &["sync", "s", "d"]);
    assert_eq!(sandbox.read("d/other"), b"z", "{ran:?}");
}

fn owners() {
    let sandbox = Sandbox::new();
    chown(sandbox.put("s/f", "x"), Some(1_001), Some(1_002)).expect("root may");
    sandbox.run(["sync", "s", "d"]).ok();
    let owner = |name: &str| {
        let found = sandbox.at(name).metadata().expect("it is there");
        (found.uid(), found.gid())
    };
    assert_eq!(owner("d/f"), (1_001, 1_002));
    sandbox.run(["sync", "--no-owner", "s", "plain"]).ok();
    assert_eq!(owner("plain/f"), (0, 0));
    chown(sandbox.at("s/f"), Some(1_003), Some(1_003)).expect("root may");
    let summary = sandbox.run(["sync", "s", "d", "--json"]).ok().summary();
    assert_eq!((&summary["copied"], &summary["updated"]), (&json!(0), &json!(1)));
    assert_eq!(owner("d/f"), (1_003, 1_003));
    as_nobody(&sandbox, &["sync", "s", "of nobody"]).ok();
    assert_eq!(owner("of nobody/f"), (NOBODY, NOBODY));
}
