//! The peers, each with the flags that its own documentation recommends for speed where its defaults are for slow lines.

use super::{Action, Task, Tool, cannot, words};

/// Sixteen files side by side and eight parts of 8 MiB, in place of four and four of 5 MiB.
pub(super) fn rclone(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { bucket, from, to, set, .. } = *task;
    let remote = |key: &str| format!(":s3:{bucket}/{key}");
    let object = |key: &str| format!(":s3:{bucket}/{key}/object");
    let file = |path: &str| format!("{path}/object");
    let (command, places) = match task.action {
        Action::Up if set.one() => ("copyto", vec![file(from), object(to)]),
        Action::Up => ("copy", vec![from.into(), remote(to)]),
        Action::Down if set.one() => ("copyto", vec![object(from), file(to)]),
        Action::Down => ("copy", vec![remote(from), to.into()]),
        Action::Fetch => ("copyto", vec![remote(from), to.into()]),
        Action::Copy if set.one() => ("copyto", vec![object(from), object(to)]),
        Action::Copy => ("copy", vec![remote(from), remote(to)]),
        Action::Local if set.one() => ("copyto", vec![file(from), file(to)]),
        Action::Local => ("copy", vec![from.into(), to.into()]),
        Action::Sync => ("sync", vec![from.into(), to.into()]),
        Action::List => ("lsf", vec![remote(from), "-R".into(), "--files-only".into(), "--fast-list".into()]),
        Action::Delete => ("purge", vec![remote(from)]),
        Action::Reads | Action::Print => ("cat", vec![remote(from)]),
        Action::Ranges => return cannot("one range of one object a process"),
    };
    let flags: &[&str] = match task.action {
        Action::Local | Action::Sync => &["--transfers", "16", "--checkers", "16"],
        Action::Up | Action::Down | Action::Fetch | Action::Copy | Action::Delete => &[
            "--transfers",
            "16",
            "--checkers",
            "16",
            "--s3-upload-concurrency",
            "8",
            "--s3-chunk-size",
            "8M",
        ],
        _ => &[],
    };
    Ok([words(&[command, "-q"]), words(flags), places].concat())
}

/// As it comes: 256 workers, five parts of 50 MiB of each file.
pub(super) fn s5cmd(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { bucket, from, to, set, .. } = *task;
    let remote = |key: &str| format!("s3://{bucket}/{key}");
    let object = |key: &str| format!("s3://{bucket}/{key}/object");
    let (command, places) = match task.action {
        Action::Up if set.one() => ("cp", vec![format!("{from}/object"), object(to)]),
        Action::Up => ("cp", vec![format!("{from}/"), format!("{}/", remote(to))]),
        Action::Down if set.one() => ("cp", vec![object(from), format!("{to}/object")]),
        Action::Down => ("cp", vec![format!("{}/*", remote(from)), format!("{to}/")]),
        Action::Fetch => ("cp", vec![remote(from), to.into()]),
        Action::Copy if set.one() => ("cp", vec![object(from), object(to)]),
        Action::Copy => ("cp", vec![format!("{}/*", remote(from)), format!("{}/", remote(to))]),
        Action::Local | Action::Sync => return cannot("does not copy between local paths"),
        Action::List => ("ls", vec![format!("{}/*", remote(from))]),
        Action::Delete => ("rm", vec![format!("{}/*", remote(from))]),
        Action::Reads | Action::Print => ("cat", vec![remote(from)]),
        Action::Ranges => return cannot("reads no ranges"),
    };
    let global: &[&str] = match task.action {
        Action::Fetch | Action::Print => &["--no-sign-request", "--log", "error"],
        // What it lists, it logs.
        Action::List | Action::Reads => &[],
        _ => &["--log", "error"],
    };
    Ok([words(global), words(&[command]), places].concat())
}

/// With `preferred_transfer_client = crt`, which chooses its own concurrency.
pub(super) fn aws(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { bucket, from, to, set, .. } = *task;
    let remote = |key: &str| format!("s3://{bucket}/{key}");
    let object = |key: &str| format!("s3://{bucket}/{key}/object");
    let (command, places): (&[&str], Vec<String>) = match task.action {
        Action::Up if set.one() => (&["cp"], vec![format!("{from}/object"), object(to)]),
        Action::Up => (&["cp", "--recursive"], vec![from.into(), remote(to)]),
        Action::Down if set.one() => (&["cp"], vec![object(from), format!("{to}/object")]),
        Action::Down => (&["cp", "--recursive"], vec![remote(from), to.into()]),
        Action::Fetch => (&["cp", "--no-sign-request"], vec![remote(from), to.into()]),
        Action::Copy if set.one() => (&["cp"], vec![object(from), object(to)]),
        Action::Copy => (&["cp", "--recursive"], vec![remote(from), remote(to)]),
        Action::Local | Action::Sync => return cannot("does not copy between local paths"),
        Action::List => return Ok(words(&["s3", "ls", "--recursive", &format!("{}/", remote(from))])),
        Action::Delete => (&["rm", "--recursive"], vec![format!("{}/", remote(from))]),
        Action::Reads => (&["cp"], vec![remote(from), "-".into()]),
        Action::Print => (&["cp", "--no-sign-request"], vec![remote(from), "-".into()]),
        Action::Ranges => {
            let words = [
                "s3api",
                "get-object",
                "--bucket",
                bucket,
                "--key",
                from,
                "--range",
                "bytes=0-1023",
                "/dev/null",
            ];
            return Ok(super::words(&words));
        }
    };
    Ok([words(&["s3"]), words(command), words(&["--only-show-errors"]), places].concat())
}

/// The small programs of `benches/peers`, which all take the same words.
pub(super) fn library(tool: Tool, task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { bucket, from, to, count, .. } = *task;
    if tool == Tool::S3dlio && task.action == Action::Copy {
        return cannot("its interface has no copy by the service");
    }
    let count = count.to_string();
    let rest: &[&str] = match task.action {
        Action::Up => &["up", bucket, from, to],
        Action::Down => &["down", bucket, from, to],
        Action::Fetch => &["fetch", bucket, from, to],
        Action::Copy => &["copy", bucket, from, to],
        Action::List => &["list", bucket, from],
        Action::Delete => &["delete", bucket, from],
        Action::Reads => &["reads", bucket, from, &count],
        Action::Ranges => &["ranges", bucket, from, &count],
        Action::Print => return cannot("prints nothing"),
        Action::Local | Action::Sync => return cannot("is about services"),
    };
    Ok(words(rest))
}

pub(super) fn rsync(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { from, to, set, .. } = *task;
    match task.action {
        Action::Local if set.one() => Ok(words(&["-a", &format!("{from}/object"), &format!("{to}/object")])),
        Action::Local | Action::Sync => Ok(words(&["-a", &format!("{from}/"), &format!("{to}/")])),
        _ => cannot("does not reach services"),
    }
}

pub(super) fn cp(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { from, to, set, .. } = *task;
    match task.action {
        Action::Local if set.one() => Ok(words(&[&format!("{from}/object"), &format!("{to}/object")])),
        Action::Local => Ok(words(&["-r", from, to])),
        Action::Sync => Ok(words(&["-a", &format!("{from}/."), &format!("{to}/")])),
        _ => cannot("does not reach services"),
    }
}
