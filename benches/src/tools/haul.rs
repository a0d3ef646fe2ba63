//! `haul`, as a user would call it.

use super::{Action, Flags, Task, cannot};

pub(super) fn words(flags: Flags, task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { bucket, from, to, set, .. } = *task;
    let remote = |key: &str| format!("s3://{bucket}/{key}");
    let object = |key: &str| format!("s3://{bucket}/{key}/object");
    let (command, places): (&[&str], Vec<String>) = match task.action {
        Action::Up if set.one() => (&["cp"], vec![format!("{from}/object"), object(to)]),
        Action::Up => (&["cp", "-r"], vec![from.into(), remote(to)]),
        Action::Down if set.one() => (&["cp"], vec![object(from), format!("{to}/object")]),
        Action::Down => (&["cp", "-r"], vec![remote(from), to.into()]),
        Action::Fetch => (&["cp"], vec![remote(from), to.into()]),
        Action::Copy if set.one() => (&["cp"], vec![object(from), object(to)]),
        Action::Copy => (&["cp", "-r"], vec![remote(from), remote(to)]),
        Action::Local if set.one() => (&["cp"], vec![format!("{from}/object"), format!("{to}/object")]),
        Action::Local => (&["cp", "-r"], vec![from.into(), to.into()]),
        Action::Sync => (&["sync"], vec![from.into(), to.into()]),
        Action::List => (&["ls", "-r"], vec![remote(from)]),
        Action::Delete => (&["rm", "-r"], vec![remote(from)]),
        Action::Reads | Action::Print => (&["cat"], vec![remote(from)]),
        Action::Ranges => return cannot("one range of one object a process"),
    };
    let flags: &[&str] = match (flags, task.action) {
        (_, Action::List | Action::Delete | Action::Reads | Action::Ranges | Action::Print)
        | (Flags::Default, _) => &[],
        (Flags::Unsigned, _) => &["-o", "sign_bodies=false"],
        (Flags::Unsynced, _) => &["--no-fsync"],
        (Flags::Unverified, _) | (_, Action::Up | Action::Copy) => &["--verify", "size"],
        _ => &["--no-fsync", "--verify", "size"],
    };
    Ok([super::words(command), super::words(&["-q"]), super::words(flags), places].concat())
}
