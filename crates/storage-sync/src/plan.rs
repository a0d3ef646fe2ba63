//! What a sync does, decided without doing anything: pairs of entries in, steps out.

use std::time::{Duration, SystemTime};

use storage_core::{Change, Directory, ETag, Entry, FileKind, Key, Metadata, Object, Prefix};

use crate::options::Compare;

/// What stands at one name on both sides; at least one of them.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs)] // a pair is two
pub struct Pair {
    /// At the source.
    pub source: Option<Entry>,
    /// At the destination.
    pub destination: Option<Entry>,
}

impl Pair {
    fn name(&self) -> &str {
        self.source.as_ref().or(self.destination.as_ref()).map_or("", Entry::name)
    }
}

/// What the planner needs to know.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Rules {
    /// Delete what the source does not have.
    pub delete: bool,
    /// When objects count as equal.
    pub compare: Compare,
    /// The destination keeps the modification times it is given.
    pub keeps_times: bool,
    /// Times closer than this are the same.
    pub time_step: Duration,
    /// Permissions are compared and kept.
    pub permissions: bool,
    /// Owner and group too.
    pub owner: bool,
    /// At the destination a file and a directory of one name exclude each other.
    pub names_collide: bool,
}

impl Rules {
    /// Compares size and exact time and deletes nothing; permissions are left alone.
    pub fn new() -> Self {
        Self {
            delete: false,
            compare: Compare::SizeAndTime,
            keeps_times: true,
            time_step: Duration::ZERO,
            permissions: false,
            owner: false,
            names_collide: true,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

/// One thing to do. `late` steps wait until the obstacles are removed, and those until everything else succeeded.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Copy an object.
    #[non_exhaustive]
    Copy {
        /// What to copy.
        source: Object,
        /// Whether an object stands there now.
        replaces: bool,
        /// After the obstacles.
        late: bool,
    },
    /// Size is equal and content has to tell.
    #[non_exhaustive]
    CompareContent {
        /// At the source.
        source: Object,
        /// At the destination.
        destination: Box<Object>,
        /// What to bring in line if the content is equal.
        change: Option<Change>,
    },
    /// Make a directory.
    #[non_exhaustive]
    CreateDir {
        /// What to make.
        directory: Directory,
        /// After the obstacles.
        late: bool,
    },
    /// A directory on both sides, with what has to be brought in line.
    #[non_exhaustive]
    KeepDir {
        /// At the source.
        directory: Directory,
        /// Whether times or permissions differ.
        differs: bool,
    },
    /// Nothing to copy; perhaps something to bring in line.
    #[non_exhaustive]
    Keep {
        /// The object.
        key: Key,
        /// Its size in bytes.
        size: u64,
        /// What to bring in line.
        change: Option<Change>,
    },
    /// Delete an object that the source does not have.
    #[non_exhaustive]
    Delete {
        /// The object.
        key: Key,
        /// The content that was seen.
        etag: Option<ETag>,
        /// Whether a late step needs its place.
        obstacle: bool,
    },
    /// Remove a directory that the source does not have.
    #[non_exhaustive]
    DeleteDir {
        /// The directory.
        prefix: Prefix,
        /// Whether a late step needs its place.
        obstacle: bool,
    },
    /// Only the destination has it, and deleting was not asked for.
    #[non_exhaustive]
    Extra {
        /// The key or directory.
        name: String,
    },
    /// Cannot be done without deleting, which was not asked for.
    #[non_exhaustive]
    Blocked {
        /// What cannot be made.
        name: String,
        /// What stands in its way.
        by: String,
    },
}

/// Turns pairs, given in key order, into steps.
///
/// A file `a` at one side and a directory `a/` at the other exclude each other, and come apart in key order (`a`, `a-b`,
/// `a/`). So an object that only one side has is held back until nothing below its name can come any more.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    object: Object,
    from_source: bool,
    /// The first name below it on the other side.
    opposed_by: Option<String>,
}

impl Planner {
    /// A planner without any pair yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, held: Vec::new() }
    }

    /// Takes the next pair.
    pub fn push(&mut self, pair: Pair) -> Vec<Step> {
        let mut steps = self.release(pair.name());
        let below = self.oppose(&pair);
        match (pair.source, pair.destination) {
            (Some(source), Some(destination)) => steps.push(self.both(source, destination)),
            (Some(source), None) => steps.extend(self.only_source(source, below)),
            (None, Some(destination)) => steps.extend(self.only_destination(destination, below)),
            (None, None) => {}
        }
        steps
    }

    /// Says that no pair is left.
    pub fn finish(mut self) -> Vec<Step> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|held| self.decide(held)).collect()
    }

    /// Decides about what is held once names have come so far that nothing below can follow.
    fn release(&mut self, name: &str) -> Vec<Step> {
        let passed = |held: &Held| {
            let below = format!("{}/", held.object.key);
            !name.starts_with(&below) && name > below.as_str()
        };
        let (done, held) = std::mem::take(&mut self.held).into_iter().partition(passed);
        self.held = held;
        let done: Vec<Held> = done;
        done.into_iter().map(|held| self.decide(held)).collect()
    }

    /// Notes what lies below a held object on the other side; tells whose place the pair needs, if any.
    fn oppose(&mut self, pair: &Pair) -> Option<Below> {
        if pair.source.is_some() && pair.destination.is_some() {
            return None;
        }
        let name = pair.name().to_owned();
        let held = self.held.iter_mut().find(|held| {
            let other_side = if held.from_source { &pair.destination } else { &pair.source };
            other_side.is_some()
                && name.strip_prefix(held.object.key.as_str()).is_some_and(|r| r.starts_with('/'))
        })?;
        held.opposed_by.get_or_insert(name);
        Some(Below { key: held.object.key.clone(), source_is_above: held.from_source })
    }

    fn decide(&self, held: Held) -> Step {
        let Held { object, from_source, opposed_by } = held;
        match (from_source, opposed_by) {
            (true, None) => Step::Copy { source: object, replaces: false, late: false },
            (true, Some(_)) if self.rules.delete => {
                Step::Copy { source: object, replaces: false, late: true }
            }
            (true, Some(by)) => Step::Blocked { name: object.key.to_string(), by },
            (false, opposed_by) if self.rules.delete => {
                Step::Delete { key: object.key, etag: object.metadata.etag, obstacle: opposed_by.is_some() }
            }
            (false, _) => Step::Extra { name: object.key.to_string() },
        }
    }

    fn both(&self, source: Entry, destination: Entry) -> Step {
        match (source, destination) {
            (Entry::Object(source), Entry::Object(destination)) => self.objects(source, destination),
            (Entry::Prefix(source), Entry::Prefix(destination)) => self.directories(source, destination),
            (source, destination) => {
                Step::Blocked { name: source.name().to_owned(), by: destination.name().to_owned() }
            }
        }
    }

    fn only_source(&mut self, source: Entry, below: Option<Below>) -> Option<Step> {
        if let (Some(below), false) = (&below, self.rules.delete) {
            return Some(Step::Blocked { name: source.name().to_owned(), by: below.key.to_string() });
        }
        let late = below.is_some();
        match source {
            Entry::Prefix(directory) => Some(Step::CreateDir { directory, late }),
            Entry::Object(object) if late || !self.rules.names_collide => {
                Some(Step::Copy { source: object, replaces: false, late })
            }
            Entry::Object(object) => {
                self.held.push(Held { object, from_source: true, opposed_by: None });
                None
            }
            _ => None,
        }
    }

    fn only_destination(&mut self, destination: Entry, below: Option<Below>) -> Option<Step> {
        if !self.rules.delete && !matches!(destination, Entry::Object(_)) {
            return Some(Step::Extra { name: destination.name().to_owned() });
        }
        let obstacle = below.is_some_and(|below| below.source_is_above);
        match destination {
            Entry::Prefix(directory) => Some(Step::DeleteDir { prefix: directory.prefix, obstacle }),
            Entry::Object(object) if obstacle || !self.rules.names_collide => {
                Some(self.decide_extra(object, obstacle))
            }
            Entry::Object(object) => {
                self.held.push(Held { object, from_source: false, opposed_by: None });
                None
            }
            _ => None,
        }
    }

    fn decide_extra(&self, object: Object, obstacle: bool) -> Step {
        if self.rules.delete {
            Step::Delete { key: object.key, etag: object.metadata.etag, obstacle }
        } else {
            Step::Extra { name: object.key.to_string() }
        }
    }

    fn objects(&self, source: Object, destination: Object) -> Step {
        let change = self.change(&source.metadata, &destination.metadata);
        match self.equality(&source.metadata, &destination.metadata) {
            Equality::Different => Step::Copy { source, replaces: true, late: false },
            Equality::Equal => Step::Keep { key: source.key, size: source.metadata.size, change },
            Equality::Unknown => Step::CompareContent { source, destination: Box::new(destination), change },
        }
    }

    /// Whether two objects hold the same, as far as their metadata tell.
    pub fn equality(&self, source: &Metadata, destination: &Metadata) -> Equality {
        if source.kind != destination.kind || source.size != destination.size {
            return Equality::Different;
        }
        match source.checksums.agree(&destination.checksums) {
            Some(true) => return Equality::Equal,
            Some(false) => return Equality::Different,
            None => {}
        }
        if self.rules.compare == Compare::Checksum {
            return Equality::Unknown;
        }
        let (Some(theirs), Some(ours)) = (source.modified, destination.modified) else {
            return Equality::Different;
        };
        let same = if self.rules.keeps_times { self.same_time(theirs, ours) } else { ours >= theirs };
        if same { Equality::Equal } else { Equality::Different }
    }

    fn directories(&self, source: Directory, destination: Directory) -> Step {
        let differs = match (&source.metadata, &destination.metadata) {
            (Some(source), Some(destination)) => self.change(source, destination).is_some(),
            _ => false,
        };
        Step::KeepDir { directory: source, differs }
    }

    /// What has to be brought in line when the content is equal.
    fn change(&self, source: &Metadata, destination: &Metadata) -> Option<Change> {
        let mut change = Change::new();
        if let (Some(unix), Some(there), true) = (source.unix, destination.unix, self.rules.permissions) {
            // The permissions of a link mean nothing and cannot be set.
            let mode = source.kind != FileKind::Symlink && unix.mode != there.mode;
            let owner = self.rules.owner && (unix.uid, unix.gid) != (there.uid, there.gid);
            if mode || owner {
                change = change.unix(unix, self.rules.owner);
            }
        }
        if let (Some(time), Some(there), true) =
            (source.modified, destination.modified, self.rules.keeps_times)
            && !self.same_time(time, there)
        {
            change = change.modified(time);
        }
        (change != Change::new()).then_some(change)
    }

    fn same_time(&self, one: SystemTime, other: SystemTime) -> bool {
        let apart = one.duration_since(other).unwrap_or_else(|e| e.duration());
        apart <= self.rules.time_step
    }
}

/// What metadata tell of two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // there is no fourth answer
pub enum Equality {
    /// They are equal by the rules.
    Equal,
    /// They are not.
    Different,
    /// Only content can tell.
    Unknown,
}

/// A held object above a name.
struct Below {
    key: Key,
    source_is_above: bool,
}
