//! The root directory, and how nothing outside it is reached (clause KEY-4).

use std::path::{Path, PathBuf};

use openssh_sftp_client::metadata::MetaData;
use storage_core::{Error, ErrorKind, KeyPath, Result};

use crate::attributes::is_link;
use crate::error::is_missing;
use crate::names::is_no_text;
use crate::session::Session;

/// The root as the server itself names it, free of links.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    path: String,
}

impl Root {
    /// Finds the root. What of it does not exist yet is taken by its name.
    pub(crate) async fn find(session: &Session, asked: &str) -> Result<Self> {
        let mut fs = session.fs();
        let absolute = match asked.strip_prefix('/') {
            Some(_) => asked.to_owned(),
            None => {
                let home = text(session.check(fs.canonicalize(".").await)?)?;
                let below = if asked == "~" { "" } else { asked.strip_prefix("~/").unwrap_or(asked) };
                format!("{}/{}", home.trim_end_matches('/'), below.trim_start_matches('/'))
            }
        };
        let mut existing = Path::new(absolute.trim_end_matches('/')).to_owned();
        if existing.as_os_str().is_empty() {
            existing = PathBuf::from("/");
        }
        let mut missing = Vec::new();
        loop {
            match fs.metadata(&existing).await {
                Ok(_) => break,
                Err(error) if is_missing(&error) && existing.file_name().is_some() => {
                    missing.push(existing.file_name().map(ToOwned::to_owned).unwrap_or_default());
                    existing.pop();
                }
                Err(error) => {
                    let error = session.check::<()>(Err(error)).expect_err("because it is one");
                    return Err(error.with_name(asked.to_owned()));
                }
            }
        }
        let mut real = session.check(fs.canonicalize(&existing).await)?;
        real.extend(missing.into_iter().rev());
        Ok(Self { path: text(real)?.trim_end_matches('/').to_owned() })
    }

    /// The path of what stands at `relative`, which is a checked path or empty for the root.
    pub(crate) fn at(&self, relative: &str) -> String {
        match relative {
            "" if self.path.is_empty() => "/".to_owned(),
            "" => self.path.clone(),
            relative => format!("{}/{relative}", self.path),
        }
    }

    /// Refuses a directory that is reached through a symbolic link: it may lie anywhere. One that does not exist is
    /// fine, and so is the root.
    pub(crate) async fn confine(&self, session: &Session, directory: &str) -> Result<()> {
        if directory.is_empty() {
            return Ok(());
        }
        let expected = self.at(directory);
        let mut fs = session.fs();
        match fs.canonicalize(&expected).await {
            Ok(real) if real == Path::new(&expected) => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::InvalidKey, "a directory in the key is a symbolic link")),
            Err(error) if is_missing(&error) => Ok(()),
            failed => session.check(failed).map(drop),
        }
    }

    /// What stands at a place; a link leads to what it leads to, under the root.
    pub(crate) async fn look(&self, session: &Session, place: &KeyPath<'_>) -> Result<MetaData> {
        let path = self.at(place.path);
        let mut fs = session.fs();
        let (confined, found) =
            tokio::join!(self.confine(session, place.directory), fs.symlink_metadata(&path));
        confined?;
        let found = session.check(found)?;
        if is_link(&found) { self.follow(session, &path).await } else { Ok(found) }
    }

    /// What the link at `path` leads to.
    pub(crate) async fn follow(&self, session: &Session, path: &str) -> Result<MetaData> {
        let mut fs = session.fs();
        let dangling = || Error::new(ErrorKind::InvalidData, "a symbolic link that leads to nothing");
        let real = match fs.canonicalize(path).await {
            Err(error) if is_missing(&error) => return Err(dangling()),
            answer => session.check(answer)?,
        };
        if !real.starts_with(self.at("")) {
            let message = "a symbolic link that leads outside the root";
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        if is_no_text(real.as_os_str().as_encoded_bytes()) {
            let message = "a symbolic link that leads to a name that is not UTF-8";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        match fs.symlink_metadata(&real).await {
            Err(error) if is_missing(&error) => Err(dangling()),
            answer => session.check(answer),
        }
    }
}

fn text(path: PathBuf) -> Result<String> {
    let text = path.to_str().filter(|text| !is_no_text(text.as_bytes())).map(str::to_owned);
    text.ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "the directory on the server has a name that is not UTF-8")
            .with_name(path.to_string_lossy().replace('\0', "\u{fffd}"))
    })
}
