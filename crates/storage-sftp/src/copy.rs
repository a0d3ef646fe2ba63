//! Copies and renames on the server.

use std::sync::Arc;

use openssh_sftp_client::metadata::MetaData;
use storage_core::{Change, Condition, CopyRequest, Error, ErrorKind, Key, KeyPath, Metadata, Result};

use crate::attributes::{self, is_directory, is_link, metadata};
use crate::backend::Shared;
use crate::error::is_missing;
use crate::read::look;
use crate::stage::{Given, Staged};

/// A copy by the server itself, staged as a write is.
pub(crate) async fn copy(
    shared: &Arc<Shared>,
    from: &Key,
    to: &Key,
    request: &CopyRequest,
) -> Result<Metadata> {
    let place = KeyPath::of(from)?;
    let session = shared.pool.session().await?;
    let unix = metadata(&look(shared, &session, &place).await?).unix;
    let staged = Staged::create(shared, to, unix).await?;
    // Source and copy have to be open on one connection.
    let (session, mut copy) = staged.parts().await?;
    let mut source = session.check(session.open(&shared.root.at(place.path)).await)?;
    let found = session.check(source.metadata().await)?;
    let known = metadata(&found);
    if request.source_if_match.is_some() && request.source_if_match != known.etag {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the source has another ETag"));
    }
    if known.size > 0 {
        let copied = session.check(source.copy_all_to(&mut copy).await);
        if let Err(error) = copied {
            return Err(staged.explain(&session, error).await);
        }
    }
    let mut change = Change::new();
    change.unix = known.unix;
    change.set_owner = request.set_owner;
    change.modified = known.modified.filter(|_| request.preserve);
    let given = Given { time: change.modified.is_some(), permissions: true };
    if let Some(change) = attributes::change(&change)? {
        session.check(copy.set_metadata(change).await)?;
    }
    if shared.syncs(&session) {
        let synced = session.check(copy.sync_all().await);
        if let Err(error) = synced {
            return Err(staged.explain(&session, error).await);
        }
    }
    let copied = staged.finish(&request.condition, known.size, given).await;
    // Without an answer to give up, the file is removed by the staged one's end.
    copied.map_err(|error| if error.kind() == ErrorKind::NotFound { error.maybe_applied() } else { error })
}

/// A rename by the server, in one step; one that may not replace is a link and a removal.
pub(crate) async fn rename(shared: &Shared, from: &Key, to: &Key, condition: &Condition) -> Result<()> {
    let (source, destination) = (KeyPath::of(from)?, KeyPath::of(to)?);
    let session = shared.pool.session().await?;
    shared.root.confine(&session, source.directory).await?;
    shared.root.confine(&session, destination.directory).await?;
    let (old, new) = (shared.root.at(source.path), shared.root.at(destination.path));
    let mut fs = session.fs();
    // A link, too, has to lead to an object: what it leads to is one under the new name as well.
    look(shared, &session, &source).await?;
    let found = session.check(fs.symlink_metadata(&old).await)?;
    if is_link(&found) {
        return Err(Error::unsupported("a symbolic link cannot be moved: from elsewhere it leads elsewhere"));
    }
    crate::change::make_directories(shared, &session, destination.directory).await?;
    match condition {
        Condition::None => {
            let there = fs.symlink_metadata(&new).await.ok();
            if there.as_ref().is_some_and(is_directory) {
                return Err(Error::new(ErrorKind::InvalidKey, "a directory stands there"));
            }
            session.check(fs.rename(&old, &new).await)?;
            // Of two names of one file the system moves none, and the protocol does not tell which files are one.
            let alike = |other: &MetaData| metadata(other) == metadata(&found);
            if there.as_ref().is_some_and(alike)
                && fs.symlink_metadata(&old).await.is_ok_and(|old| alike(&old))
            {
                let message = "both are names of one file, and both are still there";
                return Err(Error::new(ErrorKind::PreconditionFailed, message).maybe_applied());
            }
            Ok(())
        }
        Condition::IfAbsent => match fs.hard_link(&old, &new).await {
            Ok(()) => session.check(fs.remove_file(&old).await).map_err(Error::maybe_applied),
            Err(error) => {
                let error = session.check::<()>(Err(error)).expect_err("because it is one");
                if session.is_broken() {
                    return Err(error);
                }
                match fs.symlink_metadata(&new).await {
                    Ok(there) if is_directory(&there) => {
                        Err(Error::new(ErrorKind::InvalidKey, "a directory stands there"))
                    }
                    Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, "a file stands there already")),
                    Err(missing) if is_missing(&missing) => Err(error),
                    Err(_) => Err(error),
                }
            }
        },
        _ => Err(Error::unsupported("SFTP has no condition on an ETag")),
    }
}
