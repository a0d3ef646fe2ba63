//! System errors as ours.

use rustix::io::Errno;
use storage_core::{Error, ErrorKind};

/// The error of a system call; `doing` says which step failed.
pub(crate) fn from_errno(errno: Errno, doing: &'static str) -> Error {
    let (kind, message) = match errno {
        Errno::NOENT => (ErrorKind::NotFound, "no such object"),
        Errno::EXIST => (ErrorKind::AlreadyExists, "an object is there"),
        Errno::ACCESS | Errno::PERM => (ErrorKind::PermissionDenied, doing),
        Errno::ROFS => (ErrorKind::PermissionDenied, "the volume is read-only"),
        Errno::NOSPC | Errno::DQUOT => (ErrorKind::StorageFull, doing),
        Errno::FBIG => (ErrorKind::StorageFull, "the volume holds no file that large"),
        Errno::NAMETOOLONG => (ErrorKind::InvalidKey, "a segment of the key is too long for the volume"),
        Errno::ILSEQ => (ErrorKind::InvalidKey, "the volume cannot hold the characters of the key"),
        Errno::NOTDIR => (ErrorKind::InvalidKey, "a file stands where the key needs a directory"),
        Errno::ISDIR => (ErrorKind::InvalidKey, "a directory stands at the key"),
        Errno::LOOP => (ErrorKind::InvalidKey, "a symbolic link stands in the path of the key"),
        // openat2 answers so when a link or `..` would leave the root.
        Errno::XDEV => (ErrorKind::PermissionDenied, "a symbolic link leads outside the root"),
        Errno::MFILE | Errno::NFILE => (ErrorKind::Unavailable, "too many open files"),
        Errno::AGAIN | Errno::STALE | Errno::TIMEDOUT => (ErrorKind::Unavailable, doing),
        Errno::OPNOTSUPP => (ErrorKind::Unsupported, doing),
        _ => (ErrorKind::Other, doing),
    };
    Error::new(kind, message).with_source(std::io::Error::from(errno))
}

/// Says which step failed, for `map_err`.
pub(crate) fn doing(step: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| from_errno(errno, step)
}

/// The error of giving an entry another name, which happens inside one volume only.
pub(crate) fn moving(errno: Errno) -> Error {
    match errno {
        // Here it does not mean that a way leads outside the root.
        Errno::XDEV => Error::unsupported("the two names are on different volumes")
            .with_source(std::io::Error::from(errno)),
        errno => from_errno(errno, "publish"),
    }
}

/// The same, where a missing or blocked way to the object only means that there is none.
pub(crate) fn finding(step: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| match errno {
        Errno::NOTDIR => from_errno(Errno::NOENT, step),
        errno => from_errno(errno, step),
    }
}
