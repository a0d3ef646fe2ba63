//! `haul config`, and places by the name of a profile.

mod common;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{CONFIG, Ran, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;

/// What must never be seen.
const SECRET: &str = "Hunter2/wJalrXUtnFEMI";

/// A sandbox with these profiles.
fn with(profiles: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.put(CONFIG, profiles);
    std::fs::set_permissions(sandbox.at(CONFIG), std::fs::Permissions::from_mode(0o600)).expect("its mode");
    sandbox
}

/// A profile of a service that is not there.
fn store() -> Sandbox {
    with(&format!(
        "[profile.store]\nurl = \"s3://bucket/some\"\nendpoint = \"http://127.0.0.1:9\"\naccess_key_id = \"AK\"\n\
         secret_access_key = \"{SECRET}\"\n"
    ))
}

fn text(sandbox: &Sandbox) -> String {
    String::from_utf8(sandbox.read(CONFIG)).expect("text")
}

/// Runs the program, which must not tell the secret.
#[track_caller]
fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let ran = sandbox.run(args);
    assert!(!format!("{ran:?}").contains("Hunter2"), "{args:?}: {ran:?}");
    assert!(!ran.stderr.contains("wJalr"), "{args:?}: {ran:?}");
    ran
}

/// Where a profile leads, by the URL that is signed.
#[track_caller]
fn signed(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = sandbox.command([&["presign"], args].concat());
    Ran::of(command.envs(variables.iter().copied())).ok().out().to_owned()
}

#[test]
fn list() {
    let sandbox = with("[profile.one]\nurl = \"s3://b\"\n[profile.two]\nurl = \"/data\"\n");
    let ran = run(&sandbox, &["config", "list"]).ok().silent();
    assert_eq!(ran.lines(), ["one:  s3://b", "two:  /data"]);
    let ran = run(&sandbox, &["config", "list", "--json"]).ok();
    assert_eq!(ran.json()[1], serde_json::json!({ "name": "two", "url": "/data" }));
    run(&Sandbox::new(), &["config", "list"]).ok().tells("no profile in").tells("haul config add");
}

#[test]
fn list_goes_on_after_a_profile_that_is_wrong() {
    let sandbox = with("[profile.one]\nregion = \"eu\"\n[profile.two]\nurl = \"/data\"\n");
    let ran = run(&sandbox, &["config", "list"]).ends(1).tells("`profile.one.url` is missing");
    assert_eq!(ran.lines(), ["two:  /data"]);
}

#[test]
fn show_hides_secrets() {
    let sandbox = store();
    let ran = run(&sandbox, &["config", "show", "store"]).ok().silent();
    assert!(
        ran.out().contains("secret_access_key = \"…\"") && ran.out().contains("access_key_id = \"AK\""),
        "{ran:?}"
    );
    let ran = run(&sandbox, &["config", "show", "--json", "-v"]).ok();
    assert_eq!((&ran.json()[0]["secret_access_key"], &ran.json()[0]["expand"]), (&"…".into(), &false.into()));
    run(&sandbox, &["config", "show", "stroe"]).ends(2).tells("no profile `stroe`, did you mean `store`?");
}

#[test]
fn add_and_remove_keep_what_people_wrote() {
    let before = "# mine\n\n[profile.zz] # the last comes first\nurl = \"/z\"   # spaces\n\n# between\n[profile.aa]\nurl = '/a'\n";
    let sandbox = with(before);
    run(&sandbox, &["config", "add", "new", "s3://b/p", "-o", "region=eu-1"])
        .ok()
        .tells("`new:` is now s3://b/p");
    assert_eq!(text(&sandbox), format!("{before}\n[profile.new]\nurl = \"s3://b/p\"\nregion = \"eu-1\"\n"));
    run(&sandbox, &["config", "remove", "new"]).ok().tells("what it led to is untouched");
    assert_eq!(text(&sandbox), before);
    run(&sandbox, &["config", "remove", "zz"]).ok();
    assert!(text(&sandbox).ends_with("# between\n[profile.aa]\nurl = '/a'\n"), "{}", text(&sandbox));
    run(&sandbox, &["config", "remove", "zz"]).ends(2).tells("no profile `zz`");
}

#[test]
fn add_replaces_only_when_told() {
    let sandbox = with("[profile.one]\nurl = \"/a\"\n");
    run(&sandbox, &["config", "add", "one", "/b"]).ends(2).tells("--force replaces it");
    run(&sandbox, &["config", "add", "one", "/b", "--force"]).ok();
    assert_eq!(text(&sandbox), "[profile.one]\nurl = \"/b\"\n");
    // Also one that is wrong.
    let sandbox = with("[profile.one]\nurl = 3\n");
    run(&sandbox, &["config", "add", "one", "/b"]).ends(2).tells("--force replaces it");
    run(&sandbox, &["config", "add", "one", "/b", "--force"]).ok();
}

#[test]
fn add_refuses_what_would_not_open() {
    let sandbox = Sandbox::new();
    let check = |args: &[&str], message: &str| {
        run(&sandbox, &[&["config", "add"], args].concat()).ends(2).tells(message);
        assert!(!sandbox.exists(CONFIG), "{args:?}");
    };
    check(&["one", "S4://b"], "did you mean `s3`?");
    check(&["one", "s3:/b"], "neither a URL nor a path that begins with `/`");
    // It would be another place in every directory.
    check(&["one", "some/path"], "neither a URL nor a path that begins with `/`");
    check(&["one", "~/path"], "neither a URL nor a path that begins with `/`");
    check(&["one", "s3://b", "-o", "regoin=x"], "did you mean `region`?");
    check(&["one", "memory://", "-o", "region=x"], "no such option");
    check(&["one", "/data", "-o", "region=x"], "a path takes no options");
    check(&["one", "s3://b", "-o", "sparse=true"], "--sparse");
    check(&["one", "s3://b", "-o", "fsync=false"], "`s3` has no such option");
    check(&["one"], "without a terminal nobody can be asked");
    check(&["one", &format!("s3://AK:{SECRET}@b")], "holds a password");
    check(&["one", "s3://AK:Hunter2@b"], "holds a password");
    check(&["one", "s3://b", "-o", SECRET], "an option looks like");
    check(&["one", "s3://b", "-o", &format!("{SECRET}=secret_access_key")], "no backend has an option `…`");
}

#[test]
fn names() {
    let sandbox = Sandbox::new();
    for name in ["", "x", "a b", "a.b", "a/b", "é1", "a:b", "a\nb", "..", "a\"b"] {
        run(&sandbox, &["config", "add", name, "/data"]).ends(2).tells("no name for a profile");
    }
    run(&sandbox, &["config", "add", "A-b_1", "/data"]).ok();
    let sandbox = with("[profile.\"a b\"]\nurl = \"/data\"\n");
    run(&sandbox, &["config", "list"]).ends(1).tells("`a b` is no name for a profile");
}

#[test]
fn the_file_is_its_owners_alone() {
    let mode = |sandbox: &Sandbox| sandbox.at(CONFIG).metadata().expect("it").permissions().mode() & 0o7777;
    let sandbox = Sandbox::new();
    run(&sandbox, &["config", "add", "one", "/data"]).ok();
    assert_eq!(mode(&sandbox), 0o600);
    std::fs::set_permissions(sandbox.at(CONFIG), std::fs::Permissions::from_mode(0o644)).expect("its mode");
    run(&sandbox, &["config", "list"]).ok().tells("can be read by others");
    run(&sandbox, &["config", "add", "two", "/data"]).ok();
    assert_eq!(mode(&sandbox), 0o600);
    assert_eq!(common::tree::leftovers(sandbox.path()), Vec::<std::ffi::OsString>::new());
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let sandbox = Sandbox::new();
    sandbox.put("dotfiles/haul.toml", "");
    sandbox.link("dotfiles/haul.toml", CONFIG);
    run(&sandbox, &["config", "add", "one", "/data"]).ok();
    assert!(sandbox.at(CONFIG).is_symlink() && !sandbox.read("dotfiles/haul.toml").is_empty());
}

#[test]
fn where_the_file_is() {
    let sandbox = Sandbox::new();
    let add = |variables: &[(&str, &str)]| {
        let mut command = sandbox.command(["config", "add", "--force", "one", "/data"]);
        command.env_remove("HAUL_CONFIG").env_remove("XDG_CONFIG_HOME").env_remove("HOME");
        for (name, value) in variables {
            command.env(name, sandbox.at(value));
        }
        Ran::of(&mut command)
    };
    add(&[("HOME", "home")]).ok();
    assert!(sandbox.exists("home/.config/haul/config.toml"));
    add(&[("HOME", "other"), ("XDG_CONFIG_HOME", "xdg")]).ok();
    assert!(sandbox.exists("xdg/haul/config.toml"));
    add(&[("XDG_CONFIG_HOME", "third"), ("HAUL_CONFIG", "file")]).ok();
    assert!(sandbox.exists("file") && !sandbox.exists("other") && !sandbox.exists("third"));
    add(&[]).ends(2).tells("neither HAUL_CONFIG nor HOME");
}

#[test]
fn a_file_that_is_wrong_says_where_and_shows_no_value() {
    let check = |file: &str, message: &str| {
        let sandbox = with(file);
        for args in [
            &["config", "list"][..],
            &["config", "show", "-v", "--json"],
            &["ls", "one:x"],
            &["config", "add", "two", "/x"],
        ] {
            let ran = run(&sandbox, args);
            let code = ran.code;
            assert!(code == Some(2) || code == Some(1), "{args:?}: {ran:?}");
            if args[1] != "add" || code == Some(2) {
                ran.tells(CONFIG).tells(message);
            }
        }
        assert_eq!(text(&sandbox), file);
    };
    check(&format!("[profile.one]\nurl = \"/x\"\nsecret_access_key = {SECRET}\n"), "line 3");
    check(&format!("[profile.one]\nsecret_access_key = \"{SECRET}\n"), "line 2");
    check(&format!("{SECRET}\n"), "line 1");
    check(&format!("\"{SECRET}\" = 1\n"), "unknown key `…`");
    check("[profil.one]\nurl = \"/x\"\n", "unknown key `profil`, did you mean `profile`?");
    check("profile = 3\n", "`profile` is no table");
}

#[test]
fn a_profile_that_is_wrong_says_which_key() {
    let check = |lines: &str, message: &str| {
        let sandbox = with(&format!("[profile.one]\n{lines}\n"));
        for args in [&["config", "show", "one"][..], &["cat", "-v", "one:x"], &["config", "check", "--json"]]
        {
            let ran = run(&sandbox, args);
            assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
            ran.tells(message);
        }
    };
    check(
        "url = \"s3://b\"\nregoin = \"x\"",
        "`profile.one.regoin`: `s3` has no such option, did you mean `region`?",
    );
    check("ulr = \"s3://b\"", "`profile.one.url` is missing");
    check("url = 3", "`profile.one.url` is no text");
    check("url = \"\"", "`profile.one.url` is missing");
    check("url = \"s3://b\"\nregion = [\"x\"]", "`profile.one.region` is no text, number or truth value");
    check("url = \"s3://b\"\nexpand = \"yes\"", "`profile.one.expand` is neither true nor false");
    check("url = \"relative\"", "neither a URL nor a path");
    check("url = \"file:///data\"\nfsync = false", "takes no options");
    check(&format!("url = \"s3://b\"\n\"{SECRET}\" = \"secret_access_key\""), "`profile.one.…`");
    check(&format!("url = \"s3://b\"\n\"{SECRET}\" = [1]"), "`profile.one.…`");
    check(&format!("url = \"s3://AK:{SECRET}@b\""), "`profile.one.url` holds a password");
    let sandbox = with("profile.one = 3\n");
    run(&sandbox, &["config", "show"]).ends(2).tells("`profile.one` is no table");
}

#[test]
fn secrets_stay_hidden_in_urls_of_the_command_line() {
    let sandbox = Sandbox::new();
    for url in [&format!("s3://AK:{SECRET}@b/k"), "s3://AK:Hunter2@b/k", &format!("nos3://AK:{SECRET}@b")] {
        for args in
            [&["ls", "-v", url][..], &["cat", "--json", url], &["doctor", url], &["sync", "-v", url, "d"]]
        {
            assert_ne!(run(&sandbox, args).code, Some(0));
        }
    }
    run(&sandbox, &["ls", "s3://b", "-o", SECRET]).ends(2);
    run(&sandbox, &["ls", "s3://b", "-o", &format!("secret_access_keys={SECRET}")])
        .ends(2)
        .tells("did you mean");
}

#[test]
fn secrets_stay_hidden_when_a_service_fails() {
    let sandbox = store();
    let ran = run(&sandbox, &["config", "check", "store"]).ends(1);
    ran.tells("`store:`").tells("no connection");
    let ran = run(&sandbox, &["config", "check", "--json", "-v"]).ends(1);
    let [answer] = &ran.json()[..] else { panic!("{ran:?}") };
    assert_eq!(
        (&answer["name"], &answer["answers"], &answer["kind"]),
        (&"store".into(), &false.into(), &"unavailable".into())
    );
    run(&sandbox, &["doctor", "store:", "--json"]).ends(1);
}

#[test]
fn check() {
    let sandbox = with("[profile.mem]\nurl = \"memory:///\"\n[profile.none]\nurl = \"/no/such/place\"\n");
    let ran = run(&sandbox, &["config", "check"]).ends(1).tells("`none:`").tells("no such directory");
    assert!(!ran.out().contains("none"), "{ran:?}");
    run(&sandbox, &["config", "check", "nono"]).ends(2).tells("did you mean `none`?");
    let sandbox = with("[profile.local]\nurl = \"/\"\n");
    assert_eq!(run(&sandbox, &["config", "check"]).ok().out(), "local: answers\n");
    let ran = run(&sandbox, &["config", "check", "--json"]).ok();
    assert_eq!(ran.json(), [serde_json::json!({ "name": "local", "answers": true })]);
}

#[test]
fn variables_are_put_in_only_when_asked_for() {
    let profile = |expand: &str| {
        with(&format!(
            "[profile.one]\nurl = \"s3://bucket-${{STAGE}}/$${{x}}\"\n{expand}endpoint = \"http://h:9\"\n\
             access_key_id = \"AK\"\nsecret_access_key = \"${{KEY}}\"\n"
        ))
    };
    let key = ("KEY", SECRET);
    let sandbox = profile("expand = true\n");
    let mut command = sandbox.command(["presign", "one:k"]);
    let ran = Ran::of(command.envs([("STAGE", "test")]).env_remove("KEY")).ends(2);
    ran.tells("`profile.one.secret_access_key` needs the environment variable `KEY`");
    let url = signed(&sandbox, &["one:k"], &[("STAGE", "test"), key]);
    // `$${` is `${` itself.
    assert!(url.starts_with("http://h:9/bucket-test/%24%7Bx%7D/k?") && !url.contains("Hunter2"), "{url}");
    let url = signed(&profile(""), &["one:k"], &[("STAGE", "test"), key]);
    assert!(url.starts_with("http://h:9/bucket-%24%7BSTAGE%7D/%24%24%7Bx%7D/k?"), "{url}");
    let shown = run(&sandbox, &["config", "show"]).ok();
    assert!(shown.out().contains("secret_access_key = \"${KEY}\""), "{shown:?}");
    // A secret with a variable somewhere in it is still one.
    let sandbox = with(&format!(
        "[profile.one]\nurl = \"s3://b\"\nexpand = true\nsecret_access_key = \"{SECRET}${{A}}\"\n"
    ));
    run(&sandbox, &["config", "show"]).ok();
    let sandbox = with("[profile.one]\nurl = \"${WHERE}/sub\"\nexpand = true\n");
    sandbox.put("sub/f", "x");
    let ran = Ran::of(sandbox.command(["ls", "one:"]).env("WHERE", sandbox.path())).ok();
    assert_eq!(ran.out(), "f\n");
    Ran::of(sandbox.command(["ls", "one:"]).env("WHERE", "relative"))
        .ends(1)
        .tells("neither a URL nor a path");
}

#[test]
fn the_closest_to_the_user_wins() {
    let keys = [("HAUL_S3_ACCESS_KEY_ID", "AK"), ("HAUL_S3_SECRET_ACCESS_KEY", SECRET)];
    let kind = ("HAUL_S3_ENDPOINT", "http://of-kind");
    let profile = ("HAUL_PROFILE_MY_STORE_ENDPOINT", "http://of-profile");
    let bare = with("[profile.my-store]\nurl = \"s3://b\"\n");
    let file = with("[profile.my-store]\nurl = \"s3://b\"\nendpoint = \"http://of-file\"\n");
    let check = |sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)], host: &str| {
        let url = signed(sandbox, &[&["my-store:k"], args].concat(), &[&keys[..], variables].concat());
        assert!(url.starts_with(host), "{args:?} {variables:?}: {url}");
    };
    check(&bare, &[], &[kind], "http://of-kind/b/k");
    check(&file, &[], &[kind], "http://of-file/b/k");
    check(&file, &[], &[kind, profile], "http://of-profile/b/k");
    check(&file, &["-o", "endpoint=http://of-line"], &[kind, profile], "http://of-line/b/k");
    // Twice on the line: the last.
    check(&file, &["-o", "endpoint=http://1", "-o", "endpoint=http://2"], &[], "http://2/b/k");
    // An empty variable is as good as none.
    check(
        &file,
        &[],
        &[("HAUL_PROFILE_MY_STORE_ENDPOINT", ""), ("HAUL_S3_ENDPOINT", "")],
        "http://of-file/b/k",
    );
    let url = signed(&bare, &["s3://other/k"], &[&keys[..], &[kind, profile]].concat());
    assert!(url.starts_with("http://of-kind/other/k"), "{url}");
}

#[test]
fn paths_below_a_profile() {
    let check = |place: &str, path: &str, expect: &str| {
        let sandbox = with(&format!(
            "[profile.one]\nurl = \"{place}\"\nendpoint = \"http://h\"\naccess_key_id = \"AK\"\nsecret_access_key = \"x\"\n"
        ));
        let url = signed(&sandbox, &[&format!("one:{path}")], &[]);
        assert!(url.starts_with(&format!("http://h/{expect}?")), "{place} {path}: {url}");
    };
    check("s3://b", "k", "b/k");
    check("s3://b/p", "k", "b/p/k");
    check("s3://b/p/", "k", "b/p/k");
    check("s3://", "b/k", "b/k");
    check("s3://b", "a:b", "b/a%3Ab");
}

/// A profile that leads to a directory, by path and by URL.
#[test]
fn commands_take_profiles() {
    for scheme in ["", "file://"] {
        let sandbox = Sandbox::new();
        let data = sandbox.mkdir("data");
        run(&sandbox, &["config", "add", "loc", &format!("{scheme}{}", data.display())]).ok();
        sandbox.put("f", "content");
        run(&sandbox, &["mkdir", "loc:dir"]).ok();
        run(&sandbox, &["put", "f", "loc:dir/a"]).ok();
        assert_eq!(run(&sandbox, &["cat", "loc:dir/a"]).ok().out(), "content");
        run(&sandbox, &["cp", "f", "loc:b"]).ok();
        run(&sandbox, &["cp", "loc:b", "copy"]).ok();
        assert_eq!(run(&sandbox, &["ls", "loc:"]).ok().lines(), ["b", "dir/"]);
        run(&sandbox, &["sync", "loc:", "back"]).ok();
        run(&sandbox, &["check", "loc:", "back"]).ok();
        run(&sandbox, &["sync", "loc:", "loc:dir"]).ends(2).tells("overlap");
        run(&sandbox, &["rm", "loc:b"]).ok();
        assert!(!data.join("b").exists() && sandbox.exists("back/b"));
        run(&sandbox, &["doctor", "loc:"]).ok();
        run(&sandbox, &["presign", "loc:dir/a"]).ends(2).tells("signs no URLs");
    }
}

#[test]
fn memory_by_a_profile() {
    let sandbox = with("[profile.mem]\nurl = \"memory:///\"\n");
    sandbox.put("f", "content");
    run(&sandbox, &["put", "f", "mem:a"]).ok();
    run(&sandbox, &["ls", "mem:"]).ok();
    run(&sandbox, &["cat", "mem:a"]).ends(1).tells("`mem:a`").tells("not found");
}

#[test]
fn a_mistyped_profile_is_an_error_and_makes_nothing() {
    let sandbox = store();
    sandbox.put("s/f", "x");
    let before = common::tree::tree(sandbox.path());
    for args in [
        &["sync", "s", "stroe:dir"][..],
        &["cp", "-r", "s", "stroe:dir"],
        &["cp", "s/f", "stroe:"],
        &["put", "s/f", "stroe:f"],
        &["mkdir", "stroe:dir"],
        &["mv", "s", "stroe:dir"],
        &["rm", "-rf", "stroe:"],
        &["ls", "stroe:"],
        &["sync", "--delete", "stroe:", "s"],
        &["check", "s", "stroe:"],
        &["cleanup", "stroe:"],
        &["doctor", "stroe:"],
        &["presign", "stroe:f"],
    ] {
        let ran = run(&sandbox, args);
        assert!(matches!(ran.code, Some(1 | 2)), "{args:?}: {ran:?}");
        ran.tells("no profile is called `stroe`, did you mean `store`?; for a path write `./stroe:");
    }
    assert_eq!(common::tree::tree(sandbox.path()), before);
    run(&sandbox, &["ls", "store://x"]).ends(1).tells("`store` is a profile").tells("`store:PATH`");
}

#[test]
fn files_with_a_colon() {
    let sandbox = store();
    sandbox.put("12:30.log", "half past");
    sandbox.put("no:thing/f", "x");
    assert_eq!(run(&sandbox, &["cat", "12:30.log"]).ok().out(), "half past");
    assert_eq!(run(&sandbox, &["ls", "no:thing"]).ok().out(), "f\n");
    run(&sandbox, &["cp", "12:30.log", "./new:name"]).ok();
    run(&sandbox, &["cp", "12:30.log", "x:1"]).ok();
    assert_eq!(run(&sandbox, &["cat", "new:name", "x:1"]).ok().out(), "half pasthalf past");
}

/// Who finds a file of this name in a directory must not get what goes to the profile.
#[test]
fn a_profile_goes_before_a_file_of_that_name() {
    let sandbox = Sandbox::new();
    sandbox.mkdir("data");
    run(&sandbox, &["config", "add", "loc", &sandbox.at("data").display().to_string()]).ok();
    sandbox.put("loc:f", "here");
    sandbox.put("new", "there");
    run(&sandbox, &["put", "new", "loc:f"]).ok();
    assert_eq!((sandbox.read("loc:f"), sandbox.read("data/f")), (b"here".to_vec(), b"there".to_vec()));
    assert_eq!(run(&sandbox, &["cat", "./loc:f", "loc:f"]).ok().out(), "herethere");
}

#[test]
fn rclone() {
    let sandbox = with("[profile.mine]\nurl = \"/mine\"\n");
    sandbox.put(
        "rclone.conf",
        format!(
            "[box]\ntype = sftp\nhost = h\n\n[x]\ntype = local\n[mine]\ntype = local\n[my store]\ntype = s3\n\
             access_key_id = AK\nsecret_access_key = {SECRET}\nendpoint = h.example\nchunk_size = 5M\nforce_path_style = true\n\
             [drive]\ntype = drive\ntoken = {SECRET}\n"
        ),
    );
    let ran = run(&sandbox, &["config", "import", "rclone", "rclone.conf"]).ok();
    assert_eq!(ran.out(), "imported 2 profiles\n");
    // One that cannot be taken over does not keep the others out.
    let ran =
        ran.tells("box: sftp://h/~/").tells("x: skipped").tells("mine: skipped").tells("drive: skipped");
    ran.tells("my-store: s3://, without chunk_size");
    assert!(text(&sandbox).contains("path_style = \"true\"") && text(&sandbox).contains(SECRET));
    let ran = run(&sandbox, &["config", "import", "rclone", "rclone.conf", "--json", "--force"]).ok();
    let found = ran.json();
    assert_eq!(found.len(), 5, "{ran:?}");
    let of =
        |name: &str| found.iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("{name}: {ran:?}"));
    assert_eq!((&of("mine")["url"], &of("my-store")["without"][0]), (&"/".into(), &"chunk_size".into()));
    assert!(of("drive")["skipped"].is_string());
    run(&sandbox, &["config", "import", "rclone", "no.conf"]).ends(2).tells("`no.conf`");
    sandbox.put("enc.conf", "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc\n");
    run(&sandbox, &["config", "import", "rclone", "enc.conf"]).ends(2).tells("encrypted");
}

#[test]
fn backends_tell_their_options() {
    let sandbox = Sandbox::new();
    let ran = run(&sandbox, &["backends", "--json"]).ok();
    let built_in = |name: &str| ran.json().into_iter().find(|b| b["name"] == name).expect("it is built in");
    let s3 = built_in("s3");
    let secret = |name: &str| {
        let options = s3["options"].as_array().expect("options");
        options.iter().find(|o| o["name"] == name).unwrap_or_else(|| panic!("{name}"))["secret"].clone()
    };
    assert_eq!(
        (secret("secret_access_key"), secret("customer_key"), secret("region")),
        (true.into(), true.into(), false.into())
    );
    // As the program opens a directory.
    assert_eq!(built_in("fs")["capabilities"]["symlinks"], "yes");
    let ran = run(&sandbox, &["backends"]).ok();
    assert!(ran.out().contains("haul doctor") && ran.out().contains("(secret)"), "{ran:?}");
}

/// The program on a terminal of its own, with somebody who types.
struct Session {
    run: Child,
    master: Arc<OwnedFd>,
    /// Keeps the terminal after the program has ended.
    terminal: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Session {
    fn begin(sandbox: &Sandbox, args: &[&str]) -> Self {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        rustix::pty::grantpt(&master).and_then(|()| rustix::pty::unlockpt(&master)).expect("its other side");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("its name");
        let open = || -> OwnedFd {
            use rustix::fs::{Mode, OFlags};
            rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
                .expect("a terminal")
        };
        let terminal = open();
        let mut command = sandbox.command(args);
        let run =
            command.stdin(open()).stderr(open()).stdout(Stdio::null()).spawn().expect("the program runs");
        drop(command);
        let (master, seen) = (Arc::new(master), Arc::new(Mutex::new(Vec::new())));
        let (reader, into) = (Arc::clone(&master), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = rustix::io::read(&reader, &mut buffer) {
                into.lock().expect("no panic").extend_from_slice(&buffer[..length]);
            }
        });
        Self { run, master, terminal, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic")).into_owned()
    }

    /// Waits for a question, which ends what is seen.
    #[track_caller]
    fn asked(&self, question: &str) -> &Self {
        let begun = Instant::now();
        while !self.seen().ends_with(&format!("{question}: ")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "`{question}` in {}", self.seen());
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    #[track_caller]
    fn answered(&self, question: &str, answer: &str) -> &Self {
        self.asked(question);
        let mut master = std::fs::File::from(self.master.try_clone().expect("a terminal"));
        master.write_all(format!("{answer}\n").as_bytes()).expect("the answer");
        self
    }

    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.run.wait().expect("it ends").code();
        std::thread::sleep(Duration::from_millis(50));
        (code, self.seen())
    }
}

#[test]
fn the_wizard_asks_for_what_is_needed() {
    let sandbox = Sandbox::new();
    let session = Session::begin(&sandbox, &["config", "add", "store"]);
    session.answered("url", "S4://b").answered("url", "nonsense").answered("url", "s3://bucket");
    session.answered("option", "?").answered("option", "regoin").answered("option", "region");
    session.answered("region", "eu-1").answered("option", "secret_access_key");
    session.answered("secret_access_key", SECRET).answered("option", "");
    let (code, seen) = session.ends();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("did you mean `s3`?") && seen.contains("this is neither a URL"), "{seen}");
    assert!(seen.contains("there is no `regoin`, did you mean `region`?"), "{seen}");
    assert!(!seen.contains("Hunter2"), "{seen}");
    let expect = format!(
        "[profile.store]\nurl = \"s3://bucket\"\nregion = \"eu-1\"\nsecret_access_key = \"{SECRET}\"\n"
    );
    assert_eq!(text(&sandbox), expect);
}

#[test]
fn the_wizard_takes_a_path() {
    let sandbox = Sandbox::new();
    let session = Session::begin(&sandbox, &["config", "add", "loc"]);
    session.answered("url", "some/path").answered("url", "/data");
    let (code, seen) = session.ends();
    assert!(code == Some(0) && seen.contains("begins with `/`"), "{seen}");
    assert_eq!(text(&sandbox), "[profile.loc]\nurl = \"/data\"\n");
}

#[test]
fn the_wizard_can_be_left() {
    let shows_typing = |session: &Session| {
        let modes = rustix::termios::tcgetattr(&session.terminal).expect("a terminal").local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO)
    };
    let sandbox = Sandbox::new();
    let session = Session::begin(&sandbox, &["config", "add", "store"]);
    session.answered("url", "s3://b").answered("option", "secret_access_key").asked("secret_access_key");
    assert!(!shows_typing(&session));
    kill_process(Pid::from_child(&session.run), Signal::INT).expect("it runs");
    let begun = Instant::now();
    while !shows_typing(&session) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", session.seen());
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, seen) = session.ends();
    assert_eq!(code, Some(130), "{seen}");
    assert!(!sandbox.exists(CONFIG));
    // The end of the input, too.
    let session = Session::begin(&sandbox, &["config", "add", "store"]);
    session.answered("url", "\x04");
    let (code, seen) = session.ends();
    assert!(code == Some(2) && seen.contains("nothing was changed"), "{seen}");
    assert!(!sandbox.exists(CONFIG));
}
