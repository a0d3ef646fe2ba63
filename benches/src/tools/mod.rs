//! The tools, and how each is told to do a task.

pub(crate) mod curl;
mod haul;
mod others;

use std::path::Path;

use crate::sets::Set;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Haul(Flags),
    /// The library behind the program, in one process.
    Library,
    Rclone,
    S5cmd,
    Aws,
    S3dlio,
    Obstore,
    ObjectStore,
    Opendal,
    Rsync,
    Cp,
    Curl,
    /// A process for each quarter of an object, each with a file.
    Curls,
    Memcpy,
    /// A program that does nothing.
    True,
    Gzip,
    Pigz,
    Bgzip,
    Zstd,
    Jq,
    Duckdb,
    Polars,
    /// Counts line feeds.
    Wc,
}

/// How the program is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flags {
    Default,
    /// What the others do not do either is switched off.
    Lax,
    /// The signature of a request leaves its body out, as over https.
    Unsigned,
    /// Verified, and not put on stable storage, as peers leave it.
    Unsynced,
    /// As by default but for verifying: what verification is measured by.
    Unverified,
}

/// Whose a tool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ours,
    Peer,
    /// Does the least that moves the bytes at all.
    Raw,
}

impl Tool {
    /// Whatever reaches S3.
    pub(crate) const S3: [Self; 10] = [
        Self::Haul(Flags::Default),
        Self::Haul(Flags::Lax),
        Self::Rclone,
        Self::S5cmd,
        Self::Aws,
        Self::S3dlio,
        Self::Obstore,
        Self::ObjectStore,
        Self::Opendal,
        Self::Curl,
    ];

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Haul(Flags::Unverified) => Role::Raw,
            Self::Curl | Self::Curls | Self::Memcpy | Self::True | Self::Wc => Role::Raw,
            Self::Haul(_) | Self::Library => Role::Ours,
            _ => Role::Peer,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Haul(Flags::Default) => "haul",
            Self::Haul(Flags::Lax) => "haul, lax",
            Self::Haul(Flags::Unsigned) => "haul, unsigned bodies",
            Self::Haul(Flags::Unsynced) => "haul, no fsync",
            Self::Haul(Flags::Unverified) => "raw: haul, unverified",
            Self::Library => "storage-s3",
            Self::Rclone => "rclone",
            Self::S5cmd => "s5cmd",
            Self::Aws => "aws (CRT)",
            Self::S3dlio => "s3dlio",
            Self::Obstore => "obstore",
            Self::ObjectStore => "object_store",
            Self::Opendal => "opendal",
            Self::Rsync => "rsync",
            Self::Cp => "cp",
            Self::Curl => "raw: curl",
            Self::Curls => "raw: 4 × curl",
            Self::Memcpy => "raw: memcpy",
            Self::True => "raw: true",
            Self::Gzip => "gzip",
            Self::Pigz => "pigz",
            Self::Bgzip => "bgzip",
            Self::Zstd => "zstd",
            Self::Jq => "jq",
            Self::Duckdb => "DuckDB",
            Self::Polars => "Polars",
            Self::Wc => "raw: wc -l",
        }
    }

    /// The words after the program that make it do a task, or why it cannot.
    pub(crate) fn words(self, task: &Task<'_>) -> Result<Vec<String>, String> {
        match self {
            Self::Haul(flags) => haul::words(flags, task),
            Self::Rclone => others::rclone(task),
            Self::S5cmd => others::s5cmd(task),
            Self::Aws => others::aws(task),
            Self::Library | Self::S3dlio | Self::Obstore | Self::ObjectStore | Self::Opendal => {
                others::library(self, task)
            }
            Self::Rsync => others::rsync(task),
            Self::Cp => others::cp(task),
            Self::Curl => curl::words(task),
            Self::Curls => curl::processes(task),
            Self::Memcpy => Ok(vec!["memcpy".into(), task.set.bytes().to_string()]),
            Self::True => Ok(Vec::new()),
            Self::Gzip | Self::Pigz | Self::Bgzip | Self::Zstd => cannot("compresses, and moves nothing"),
            Self::Jq | Self::Duckdb | Self::Polars | Self::Wc => cannot("reads records, and moves nothing"),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) action: Action,
    /// What is moved; of a set of one the file itself is named, of others the directory.
    pub(crate) set: Set,
    /// The bucket, where there is one.
    pub(crate) bucket: &'a str,
    /// A path or a prefix.
    pub(crate) from: &'a str,
    /// A path or a prefix.
    pub(crate) to: &'a str,
    /// Of requests that are repeated.
    pub(crate) count: u64,
    /// The endpoint, for tools that want whole URLs.
    pub(crate) endpoint: &'a str,
    /// Where words may be left that do not fit on a command line.
    pub(crate) scratch: &'a Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `from`, a path, to `to`, a prefix.
    Up,
    /// `from`, a prefix, to `to`, a path.
    Down,
    /// One object of a service that cannot list: `from`, a key, to `to`, a path.
    Fetch,
    /// The object `from` of such a service to standard output, which leads nowhere.
    Print,
    /// `from` and `to` are prefixes.
    Copy,
    /// `from` and `to` are paths.
    Local,
    /// The same, and only what differs.
    Sync,
    /// All keys below the prefix `from`.
    List,
    /// All objects below the prefix `from`.
    Delete,
    /// The object `from`, as a whole, `count` times.
    Reads,
    /// `count` ranges of 1 KiB of the object `from`.
    Ranges,
}

/// A sentence for a tool that has no such thing.
fn cannot<T>(what: &str) -> Result<T, String> {
    Err(what.to_owned())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
