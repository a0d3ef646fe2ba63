//! Another user, and a process that may open few files: the trials start themselves again as such a process.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use storage_fs::Symlinks;

use crate::common::Root;
use crate::{Outcome, trial};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("users/another-user", another_user), trial("users/few-files", few_files)]
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
}

async fn another_user() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can be somebody else".to_owned());
    }
    let root = Root::new(Symlinks::Follow);
    for name in ["closed/file", "readable/file", "secret", "writable/file", "zoo/file"] {
        root.file(name, "content");
    }
    for (name, bits) in
        [("..", 0o755), (".", 0o755), ("closed", 0o700), ("readable", 0o755), ("writable", 0o777)]
    {
        mode(&root.at(name), bits);
    }
    mode(&root.at("secret"), 0o600);
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let started = Command::new(program)
        .env("TEST_CHILD", "another-user")
        .env("TEST_ROOT", root.path())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    let output = started.map_err(|error| format!("another user cannot start this program: {error}"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["closed/file", "readable/file", "secret"] {
        assert_eq!(root.content(name).as_deref(), Some(&b"content"[..]), "{name}");
    }
    assert!(root.leftovers().is_empty());
    Ok(())
}

async fn few_files() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let started = Command::new("prlimit")
        .arg("--nofile=64:64")
        .arg(program)
        .env("TEST_CHILD", "few-files")
        .env("TEST_ROOT", root.path())
        .output();
    let output = started.map_err(|error| format!("`prlimit` does not run: {error}"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(root.leftovers().is_empty());
    Ok(())
}
