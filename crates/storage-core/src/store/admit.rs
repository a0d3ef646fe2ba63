//! Refusals before a byte is sent: what the backend does not declare is not asked of it (clauses WRITE-4 and WRITE-7).

use super::Store;
use crate::capabilities::Level;
use crate::error::{Error, ErrorKind, Result};
use crate::meta::{Attributes, FileKind, Metadata, Version};
use crate::options::{Change, Condition, ReadConditions, WriteRequest};

impl Store {
    pub(super) fn admit_write(&self, request: &WriteRequest) -> Result<()> {
        self.admit_condition(&request.condition)?;
        self.admit_attributes(&request.attributes)?;
        self.admit_change(request.modified.is_some(), request.unix.is_some())?;
        match request.kind {
            FileKind::File => Ok(()),
            FileKind::Symlink if self.declared().symlinks => Ok(()),
            FileKind::Symlink => Err(Error::unsupported("this store holds no symlinks")),
            FileKind::Directory => {
                Err(Error::new(ErrorKind::InvalidInput, "a directory is made with `create_dir`, not written"))
            }
        }
    }

    pub(super) fn admit_condition(&self, condition: &Condition) -> Result<()> {
        let (level, what) = match condition {
            Condition::None => return Ok(()),
            Condition::IfAbsent => (self.declared().create_if_absent, "create only if absent"),
            Condition::IfMatch(_) => (self.declared().replace_if_match, "replace only if the ETag matches"),
        };
        supported(level, what)
    }

    pub(super) fn admit_conditional_delete(&self) -> Result<()> {
        supported(self.declared().delete_if_match, "delete only if the ETag matches")
    }

    pub(super) fn admit_attributes(&self, attributes: &Attributes) -> Result<()> {
        if attributes.has_headers() && !self.declared().content_headers {
            return Err(Error::unsupported("this store keeps no content headers"));
        }
        if !attributes.user.is_empty() && !self.declared().user_metadata {
            return Err(Error::unsupported("this store keeps no user metadata"));
        }
        attributes.user.iter().try_for_each(|(name, value)| check_user_metadata(name, value))
    }

    pub(super) fn admit_update(&self, change: &Change) -> Result<()> {
        self.admit_change(change.modified.is_some(), change.unix.is_some())
    }

    fn admit_change(&self, modified: bool, unix: bool) -> Result<()> {
        if modified && !self.declared().set_modified {
            return Err(Error::unsupported("this store sets modification times itself"));
        }
        if unix && !self.declared().unix_attributes {
            return Err(Error::unsupported("this store keeps no permissions"));
        }
        Ok(())
    }

    pub(super) fn admit_version(&self, version: Option<&Version>) -> Result<()> {
        match version {
            Some(_) if !self.declared().versions => Err(Error::unsupported("this store keeps no versions")),
            _ => Ok(()),
        }
    }
}

fn supported(level: Level, what: &str) -> Result<()> {
    if level.is_supported() {
        return Ok(());
    }
    Err(Error::unsupported(format!("this store cannot {what}")))
}

/// Names that every service and every HTTP header takes; values without control characters.
fn check_user_metadata(name: &str, value: &str) -> Result<()> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(fine) {
        let message =
            format!("user metadata name `{name}` must be lower-case letters, digits, `-`, `_` or `.`");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    if value.chars().any(char::is_control) {
        let message = format!("the value of user metadata `{name}` holds a control character");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(())
}

impl ReadConditions {
    /// Holds the conditions against what was found, by the precedence of RFC 9110, section 13.2.2 (clause READ-5).
    pub(super) fn check(&self, found: &Metadata) -> Result<()> {
        if let Some(expected) = &self.if_match {
            match &found.etag {
                Some(etag) if etag == expected => {}
                Some(_) => return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one")),
                None => return Err(Error::unsupported("this store names no ETags")),
            }
        } else if let Some(time) = self.if_unmodified_since
            && found.modified.is_some_and(|m| m > time)
        {
            return Err(Error::new(ErrorKind::PreconditionFailed, "modified since the given time"));
        }
        if let Some(unwanted) = &self.if_none_match {
            if found.etag.as_ref() == Some(unwanted) {
                return Err(Error::new(ErrorKind::NotModified, "the ETag is the same"));
            }
        } else if let Some(time) = self.if_modified_since
            && found.modified.is_some_and(|m| m <= time)
        {
            return Err(Error::new(ErrorKind::NotModified, "not modified since the given time"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use crate::error::ErrorKind::{self, NotModified, PreconditionFailed};
    use crate::meta::{ETag, Metadata};
    use crate::options::ReadConditions;

    #[test]
    fn conditions() {
        let now = SystemTime::now();
        let (before, after) = (now - Duration::from_secs(1), now + Duration::from_secs(1));
        let mut found = Metadata::new(1);
        found.etag = Some(ETag::new("a"));
        found.modified = Some(now);
        let check = |conditions: ReadConditions, expect: Result<(), ErrorKind>| {
            assert_eq!(conditions.check(&found).map_err(|e| e.kind()), expect, "{conditions:?}");
        };
        let none = ReadConditions::default;
        let (a, b) = (Some(ETag::new("a")), Some(ETag::new("b")));
        check(none(), Ok(()));
        check(ReadConditions { if_match: a.clone(), ..none() }, Ok(()));
        check(ReadConditions { if_match: b.clone(), ..none() }, Err(PreconditionFailed));
        check(ReadConditions { if_none_match: a.clone(), ..none() }, Err(NotModified));
        check(ReadConditions { if_none_match: b.clone(), ..none() }, Ok(()));
        check(ReadConditions { if_modified_since: Some(now), ..none() }, Err(NotModified));
        check(ReadConditions { if_modified_since: Some(before), ..none() }, Ok(()));
        check(ReadConditions { if_unmodified_since: Some(now), ..none() }, Ok(()));
        check(ReadConditions { if_unmodified_since: Some(before), ..none() }, Err(PreconditionFailed));
        check(ReadConditions { if_match: a, if_unmodified_since: Some(before), ..none() }, Ok(()));
        check(ReadConditions { if_none_match: b, if_modified_since: Some(after), ..none() }, Ok(()));
    }
}
