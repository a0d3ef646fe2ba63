//! Times, permissions, directories.

use storage_core::{Change, Error, ErrorKind, KeyPath, Prefix, Result, Target};

use crate::attributes::{self, is_directory, is_link};
use crate::backend::Shared;
use crate::error::is_missing;
use crate::read::look;
use crate::session::Session;

pub(crate) async fn update(shared: &Shared, target: &Target, change: &Change) -> Result<()> {
    let session = shared.pool.session().await?;
    let relative = match target {
        Target::Object(key) => {
            let place = KeyPath::of(key)?;
            look(shared, &session, &place).await?;
            place.path
        }
        Target::Directory(prefix) => {
            let relative = KeyPath::directory(prefix)?;
            shared.root.confine(&session, relative).await?;
            let found = session.check(session.fs().symlink_metadata(shared.root.at(relative)).await)?;
            if !is_directory(&found) {
                return Err(Error::new(ErrorKind::NotFound, "no directory stands there"));
            }
            relative
        }
        _ => return Err(Error::unsupported("no such target")),
    };
    match attributes::change(change)? {
        Some(change) => session.check(session.fs().set_metadata(shared.root.at(relative), change).await),
        None => Ok(()),
    }
}

pub(crate) async fn create_dir(shared: &Shared, directory: &Prefix) -> Result<()> {
    let relative = KeyPath::directory(directory)?;
    let session = shared.pool.session().await?;
    shared.root.confine(&session, relative).await?;
    make_directories(shared, &session, relative).await
}

/// Makes a directory below the root with its parents, the root and its parents too.
pub(crate) async fn make_directories(shared: &Shared, session: &Session, relative: &str) -> Result<()> {
    let whole = shared.root.at(relative);
    // The deepest that exists is mostly the last or the one before.
    let mut missing = Vec::new();
    let mut path = whole.as_str();
    let mut fs = session.fs();
    while !path.is_empty() {
        match fs.symlink_metadata(path).await {
            Ok(found) if is_directory(&found) => break,
            Ok(found) if is_link(&found) => {
                return Err(Error::new(ErrorKind::InvalidKey, "a directory in the key is a symbolic link"));
            }
            Ok(_) => {
                return Err(Error::new(ErrorKind::InvalidKey, "a file stands where a directory is needed"));
            }
            Err(error) if is_missing(&error) => missing.push(path),
            Err(error) => return session.check(Err(error)),
        }
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    for path in missing.into_iter().rev() {
        let Err(error) = fs.create_dir(path).await else { continue };
        // Somebody else may have been faster.
        match fs.symlink_metadata(path).await {
            Ok(found) if is_directory(&found) => {}
            Ok(_) => {
                return Err(Error::new(ErrorKind::InvalidKey, "a file stands where a directory is needed"));
            }
            Err(_) => return session.check(Err(error)),
        }
    }
    Ok(())
}

pub(crate) async fn remove_dir(shared: &Shared, directory: &Prefix) -> Result<()> {
    let relative = KeyPath::directory(directory)?;
    let session = shared.pool.session().await?;
    shared.root.confine(&session, relative).await?;
    let path = shared.root.at(relative);
    let mut fs = session.fs();
    let Err(error) = fs.remove_dir(&path).await else { return Ok(()) };
    if is_missing(&error) {
        return Ok(());
    }
    let error = session.check::<()>(Err(error)).expect_err("because it is one");
    if session.is_broken() || error.kind() == ErrorKind::PermissionDenied {
        return Err(error);
    }
    match fs.symlink_metadata(&path).await {
        Ok(found) if is_directory(&found) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "the directory is not empty").with_source(error))
        }
        // A file is no directory, and so the directory is gone.
        Ok(_) => Ok(()),
        Err(missing) if is_missing(&missing) => Ok(()),
        Err(_) => Err(error),
    }
}
