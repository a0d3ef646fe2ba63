//! The model: a sorted map.

use std::collections::BTreeMap;

use bytes::Bytes;
use storage_core::{Capabilities, Condition, ETag, ErrorKind};

use super::operation::Demand;
use super::operation::KEYS;

/// An object as it should be.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) content: Bytes,
    pub(super) etag: Option<ETag>,
}

/// What a listing should show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    /// Of an object; a group has none.
    pub(super) size: Option<u64>,
}

/// What an operation may come to, beside success: one of these errors, any of them where several are true at once.
pub(super) type Refusals = Vec<ErrorKind>;

/// The state that the store should be in.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) can: Capabilities,
    pub(super) objects: BTreeMap<String, Held>,
    /// ETags that keys had.
    once: BTreeMap<String, Vec<ETag>>,
}

impl Model {
    pub(super) fn new(can: Capabilities) -> Self {
        Self { can, objects: BTreeMap::new(), once: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, key: &str, content: Bytes, etag: Option<ETag>) {
        self.once.entry(key.to_owned()).or_default().extend(etag.clone());
        self.objects.insert(key.to_owned(), Held { content, etag });
    }

    /// The condition that a demand means now, and the errors that it should end in; `None` where the demand has no
    /// meaning, such as the ETag of a key that never had one.
    pub(super) fn condition(&self, key: &str, demand: Demand) -> Option<(Condition, Refusals)> {
        let held = self.objects.get(key);
        let etag = held.and_then(|held| held.etag.clone());
        let level = match demand {
            Demand::Nothing => return Some((Condition::None, Vec::new())),
            Demand::Absent => self.can.create_if_absent,
            Demand::Current | Demand::Stale => self.can.replace_if_match,
        };
        let (condition, refusals) = match demand {
            Demand::Current => (Condition::IfMatch(etag?), Vec::new()),
            Demand::Stale => {
                let stale = self.once.get(key)?.iter().find(|old| Some(*old) != etag.as_ref())?;
                (Condition::IfMatch(stale.clone()), vec![ErrorKind::PreconditionFailed])
            }
            _ if held.is_some() => (Condition::IfAbsent, vec![ErrorKind::AlreadyExists]),
            _ => (Condition::IfAbsent, Vec::new()),
        };
        Some((condition, if level.is_supported() { refusals } else { vec![ErrorKind::Unsupported] }))
    }

    /// What stands in the way of a copy or rename.
    pub(super) fn transfer(&self, from: &str, to: &str, absent: bool) -> Refusals {
        if absent && !self.can.create_if_absent.is_supported() {
            return vec![ErrorKind::Unsupported];
        }
        let mut refusals = Vec::new();
        if !self.objects.contains_key(from) {
            refusals.push(ErrorKind::NotFound);
        }
        if absent && self.objects.contains_key(to) {
            refusals.push(ErrorKind::AlreadyExists);
        }
        refusals
    }

    /// What a listing should show, in ascending order.
    pub(super) fn list(&self, prefix: &str, delimiter: bool, start: Option<&str>) -> Vec<Listed> {
        let mut all: Vec<Listed> = Vec::new();
        for (key, held) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let group = key[prefix.len()..].find('/').filter(|_| delimiter);
            let listed = match group {
                Some(at) => Listed { name: key[..=prefix.len() + at].to_owned(), size: None },
                None => Listed { name: key.clone(), size: Some(held.content.len() as u64) },
            };
            if start.is_none_or(|start| listed.name.as_str() > start) && !all.contains(&listed) {
                all.push(listed);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whether a group may be shown although nothing is in it: where directories are real, one that was made for a key
    /// may stay when the key goes, or was never published.
    pub(super) fn may_linger(&self, listed: &Listed) -> bool {
        let made_for_a_key =
            KEYS.iter().any(|key| key.starts_with(&listed.name) && listed.name.ends_with('/'));
        self.can.directories && listed.size.is_none() && made_for_a_key
    }
}
