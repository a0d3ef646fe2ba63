//! The protocol's errors as ours.

use openssh_sftp_client::Error as SftpError;
use openssh_sftp_client::error::SftpErrorKind;
use storage_core::{Error, ErrorKind};

pub(crate) fn error(failed: &SftpError) -> Error {
    match failed {
        SftpError::SftpError(kind, message) => answered(*kind, message.get().0),
        SftpError::UnsupportedExtension(name) => {
            Error::unsupported(format!("the server has no extension for this: {name}"))
        }
        broken if is_broken(broken) => Error::new(ErrorKind::Unavailable, "the connection broke")
            .with_source(failed.to_string())
            .maybe_applied(),
        _ => {
            Error::new(ErrorKind::Other, "the request failed").with_source(failed.to_string()).maybe_applied()
        }
    }
}

/// Whether the connection is of no more use.
pub(crate) fn is_broken(failed: &SftpError) -> bool {
    !matches!(
        failed,
        SftpError::SftpError(..) | SftpError::UnsupportedExtension(_) | SftpError::BufferTooLong(_)
    )
}

pub(crate) fn is_missing(failed: &SftpError) -> bool {
    matches!(failed, SftpError::SftpError(SftpErrorKind::NoSuchFile, _))
}

fn answered(kind: SftpErrorKind, said: &str) -> Error {
    let kind = match kind {
        SftpErrorKind::NoSuchFile => ErrorKind::NotFound,
        SftpErrorKind::PermDenied => ErrorKind::PermissionDenied,
        SftpErrorKind::OpUnsupported => ErrorKind::Unsupported,
        // What OpenSSH makes of a name that is too long.
        SftpErrorKind::BadMessage => ErrorKind::InvalidKey,
        _ => ErrorKind::Other,
    };
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::new(kind, format!("the server says: {said}"))
}
