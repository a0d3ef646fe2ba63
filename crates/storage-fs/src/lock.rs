//! Advisory locks, by which users of this library on one machine keep out of each other's way.
//!
//! A directory's lock is shared by everybody who publishes in it and exclusive for those who look first and then
//! publish (a condition on an ETag). A staged file's lock is held by its writer for as long as it writes, so that a
//! clean-up can tell a leftover from a write that goes on. Both go with the process, however it ends.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use storage_core::{Error, ErrorKind, Result};

/// Waits for a share of the directory's lock; where the volume has no locks, conditions are refused anyway.
pub(crate) fn share(directory: &OwnedFd) {
    let _ = retry(directory, FlockOperation::LockShared);
}

/// Waits to hold the directory's lock alone.
pub(crate) fn exclude(directory: &OwnedFd) -> Result<()> {
    retry(directory, FlockOperation::LockExclusive).map_err(|errno| {
        Error::new(ErrorKind::Unsupported, "the volume has no locks, which a condition on an ETag needs")
            .with_source(std::io::Error::from(errno))
    })
}

/// Takes the lock if nobody else holds it. A volume without locks says yes.
pub(crate) fn try_alone(file: &impl AsFd) -> bool {
    !matches!(retry(file, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
}

pub(crate) fn release(directory: &OwnedFd) {
    let _ = retry(directory, FlockOperation::Unlock);
}

fn retry(file: &impl AsFd, operation: FlockOperation) -> Result<(), Errno> {
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
