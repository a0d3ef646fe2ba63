#![doc = include_str!("../README.md")]

mod backend;
mod capabilities;
mod checksum;
pub mod codec;
mod error;
mod flaw;
pub mod format;
mod headers;
mod key;
mod layer;
mod location;
mod meta;
mod options;
mod path;
mod pattern;
pub mod pipeline;
mod progress;
mod provider;
mod range;
mod retry;
mod secret;
mod sign;
mod store;
mod transfer;

pub use backend::{
    Backend, BoxFuture, ByteStream, Handle, Lister, Page, Part, Payload, ReadResponse, Resumed, Target,
    Upload, body,
};
pub use capabilities::{Capabilities, Durability, Level, Limits};
pub use checksum::{Algorithm, Checksum, Checksums, Hasher, Hashers};
pub use error::{Error, ErrorKind, Operation, Result, Retry, Scope};
pub use flaw::{Flaw, FlawKind};
pub use headers::{decode_user_metadata, encode_user_metadata};
pub use key::{Key, MAX_KEY_BYTES, Prefix};
pub use layer::Layer;
pub use location::Location;
pub use meta::{Attributes, ETag, FileKind, Metadata, UnixAttributes, Version};
pub use options::{
    Change, CleanupReport, Condition, CopyOptions, CopyRequest, CopyTarget, DeleteTarget, Directory, Entry,
    ListOptions, ListRequest, Moved, Object, ReadConditions, ReadOptions, ReadRequest, RenameOptions,
    StatOptions, StatRequest, TransferOptions, WriteOptions, WriteRequest,
};
pub use path::{KeyPath, is_staged_name, staged_name};
pub use pattern::Pattern;
pub use progress::{Event, Progress};
pub use provider::{Opened, OptionSpec, Options, Provider, Registry, suggest};
pub use range::ByteRange;
pub use retry::{RetryPolicy, Timeouts};
pub use secret::Secret;
pub use sign::{SignRequest, SignedMethod, SignedRequest};
pub use store::{Listing, ReadOutcome, Reader, SeekReader, Store, Transferred, Writer};
pub use transfer::{Allowed, Budget, Hedge, Journal, Limit, TakenPart, Window};
