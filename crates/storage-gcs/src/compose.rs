//! A write in parts side by side: each is an object of its own until the service puts them together. Their names show in no listing of ours.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use storage_core::{
    BoxFuture, Condition, Error, ErrorKind, Key, ListRequest, Metadata, Part, Payload, Prefix, Result,
    Resumed, StatRequest, TakenPart, Upload, WriteRequest,
};

use crate::backend::{Bucket, Ongoing};
use crate::checksum::Crc;
use crate::client::query;
use crate::delete;
use crate::error::Refused;
use crate::list::Pages;
use crate::part;
use crate::read::stat;
use crate::resource::{FIELDS, Properties, Resource};
use crate::write::{if_generation_match, insert};

/// The most sources of one request.
const SOURCES: usize = 32;
/// Parts removed side by side.
const CONCURRENCY: usize = 8;

/// An upload whose parts are objects.
pub(crate) struct Composition {
    bucket: Arc<Bucket>,
    key: Key,
    request: WriteRequest,
    ongoing: Mutex<Option<Ongoing>>,
    /// What was begun under the names of parts: what the service is known to have, or nothing.
    parts: Mutex<BTreeMap<u64, Option<Piece>>>,
}

/// Some bytes of the object that is written, as an object of their own.
#[derive(Clone, Debug)]
struct Piece {
    name: String,
    generation: String,
    len: u64,
    crc: Crc,
}

/// The name of an object, and its generation where that is known.
pub(crate) type Place = (String, Option<String>);

impl Piece {
    fn place(&self) -> Place {
        (self.name.clone(), Some(self.generation.clone()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComposeBody<'a> {
    source_objects: Vec<Source<'a>>,
    destination: &'a Properties,
}

#[derive(Serialize)]
struct Source<'a> {
    name: &'a str,
    generation: &'a str,
}

pub(crate) fn start(bucket: &Arc<Bucket>, key: &Key, request: &WriteRequest) -> Result<Box<dyn Upload>> {
    crate::name::check(key)?;
    // What cannot be written is told before a part is sent.
    Properties::new(&bucket.config, key, &request.attributes, Some(&request.token))?;
    Ok(Box::new(Composition::new(bucket, key, request)))
}

/// Goes on with an upload whose parts are still there. One stands if the service tells the checksum of what was sent.
pub(crate) async fn resume(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
    upload: &str,
    taken: &[TakenPart],
) -> Result<Option<Resumed>> {
    crate::name::check(key)?;
    if upload != request.token {
        return Ok(None);
    }
    let composition = Composition::new(bucket, key, request);
    let mut list = ListRequest::default();
    list.prefix = Prefix::new(part::name(upload, ""))?;
    let (mut pages, mut standing, mut others) = (Pages::new(bucket, list), BTreeMap::new(), Vec::new());
    while let Some(items) = pages.next().await? {
        for item in items {
            match stands(&item, taken) {
                Some((number, piece)) => {
                    standing.insert(number, Some(piece));
                }
                None => others.push((item.name, Some(item.generation))),
            }
        }
    }
    // What nobody will use costs money all the same: parts that prove nothing, and groups, which are made anew.
    remove(bucket, others).await?;
    if standing.is_empty() {
        return Ok(None);
    }
    let parts = standing.keys().copied().collect();
    *composition.lock() = standing;
    Ok(Some(Resumed { upload: Box::new(composition), parts }))
}

/// The part that an object is, if the service tells the checksum of what was sent.
fn stands(item: &Resource, taken: &[TakenPart]) -> Option<(u64, Piece)> {
    let number = part::number_of(&item.name)?;
    let part = taken.iter().find(|part| part.number == number)?;
    let crc = Crc::from_base64(&part.receipt, part.length)?;
    let (name, generation) = (item.name.clone(), item.generation.clone());
    item.proves(crc, part.length).then_some((number, Piece { name, generation, len: part.length, crc }))
}

impl Composition {
    fn new(bucket: &Arc<Bucket>, key: &Key, request: &WriteRequest) -> Self {
        Self {
            bucket: bucket.clone(),
            key: key.clone(),
            request: request.clone(),
            ongoing: Mutex::new(Some(Ongoing::new(bucket, &request.token))),
            parts: Mutex::default(),
        }
    }

    async fn take(&self, part: Part) -> Result<()> {
        self.lock().entry(part.number).or_default();
        let name = part::name(&self.request.token, &part.number.to_string());
        let (len, crc) = (part.body.len(), Crc::of(&part.body));
        let properties = Properties::of_part(&self.bucket.config, &self.key);
        let made = insert(&self.bucket, &name, part.body, properties, &Condition::None).await?;
        let piece = Piece { name, generation: made.generation, len, crc };
        self.lock().insert(part.number, Some(piece));
        Ok(())
    }

    async fn publish(&self, size: u64) -> Result<Metadata> {
        let pieces: Vec<Piece> = self.lock().values().flatten().cloned().collect();
        let total: u64 = pieces.iter().map(|piece| piece.len).sum();
        let gapless = self
            .lock()
            .iter()
            .map(|(at, piece)| (*at, piece.is_some()))
            .eq((0..pieces.len() as u64).map(|at| (at, true)));
        if total != size || !gapless {
            let message = format!("the upload has {} parts of {total} bytes for {size}", pieces.len());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let attributes = &self.request.attributes;
        let properties =
            Properties::new(&self.bucket.config, &self.key, attributes, Some(&self.request.token))?;
        let condition = &self.request.condition;
        if pieces.is_empty() {
            let made = insert(&self.bucket, self.key.as_str(), Payload::new(), properties, condition).await;
            return self.told(made, Crc::default());
        }
        let crc = pieces.iter().fold(Crc::default(), |whole, piece| whole.then(piece.crc));
        let mut used: Vec<Place> = pieces.iter().map(Piece::place).collect();
        let pieces = self.gather(pieces, &mut used).await?;
        let made = self.compose(self.key.as_str(), &pieces, &properties, condition).await;
        let written = match self.told(made, crc) {
            Err(failed) => self.own(failed).await?,
            Ok(written) => written,
        };
        // The object stands; what cannot be removed is left to a clean-up.
        let _ = remove(&self.bucket, used).await;
        self.over();
        Ok(written)
    }

    /// Puts pieces together until few enough are left for one request, and tells what it made on the way.
    async fn gather(&self, mut pieces: Vec<Piece>, used: &mut Vec<Place>) -> Result<Vec<Piece>> {
        let mut level = 0;
        while pieces.len() > SOURCES {
            let mut larger = Vec::new();
            for (at, group) in pieces.chunks(SOURCES).enumerate() {
                let name = part::name(&self.request.token, &group_name(level, at));
                let properties = Properties::of_part(&self.bucket.config, &self.key);
                let made = self.compose(&name, group, &properties, &Condition::None).await?;
                let crc = group.iter().fold(Crc::default(), |whole, piece| whole.then(piece.crc));
                made.verify(crc)?;
                let len = group.iter().map(|piece| piece.len).sum();
                let piece = Piece { name, generation: made.generation, len, crc };
                used.push(piece.place());
                larger.push(piece);
            }
            pieces = larger;
            level += 1;
        }
        Ok(pieces)
    }

    async fn compose(
        &self,
        name: &str,
        pieces: &[Piece],
        properties: &Properties,
        condition: &Condition,
    ) -> Result<Resource, Refused> {
        let config = &self.bucket.config;
        let path = format!(
            "/storage/v1/b/{}/o/{}/compose{}",
            crate::name::encode(&config.bucket),
            crate::name::encode(name),
            query([
                ("ifGenerationMatch", if_generation_match(condition)),
                ("destinationPredefinedAcl", config.predefined_acl.as_deref()),
                ("kmsKeyName", config.kms_key.as_deref()),
                ("fields", Some(FIELDS)),
            ])
        );
        let source_objects =
            pieces.iter().map(|piece| Source { name: &piece.name, generation: &piece.generation }).collect();
        let body = serde_json::to_string(&ComposeBody { source_objects, destination: properties })
            .expect("because lists of text are JSON");
        let post = self
            .bucket
            .service
            .request(Method::POST, &path)
            .headers(self.bucket.customer())
            .header(CONTENT_TYPE, "application/json; charset=UTF-8")
            .body(body);
        self.bucket.service.json(post).await
    }

    fn told(&self, made: Result<Resource, Refused>, crc: Crc) -> Result<Metadata> {
        let made = made.map_err(|refused| refused.of_condition(&self.request.condition))?;
        made.verify(crc)?;
        made.metadata(&self.key, self.bucket.config.versions)
    }

    /// The object, if a condition failed for the reason that it stands there already: the answer to a try before was lost.
    async fn own(&self, failed: Error) -> Result<Metadata> {
        if !matches!(failed.kind(), ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed) {
            return Err(failed);
        }
        match stat(&self.bucket, &self.key, &StatRequest::default()).await {
            Ok(found) if found.token.as_ref() == Some(&self.request.token) => Ok(found),
            _ => Err(failed),
        }
    }

    async fn give_up(&self) -> Result<()> {
        let name = |number: &str| part::name(&self.request.token, number);
        // What is not known to be there may be all the same, and so may what a finish that failed has put together.
        let parts = self.lock().clone();
        let known = parts.iter().map(|(number, piece)| match piece {
            Some(piece) => piece.place(),
            None => (name(&number.to_string()), None),
        });
        let groups = groups(parts.len()).into_iter().map(|group| (name(&group), None));
        remove(&self.bucket, known.chain(groups).collect()).await?;
        self.over();
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Option<Piece>>> {
        self.parts.lock().expect("because no holder of the lock panics")
    }

    fn over(&self) {
        *self.ongoing.lock().expect("because no holder of the lock panics") = None;
    }
}

/// What follows the token in the name of a group of pieces.
fn group_name(level: usize, at: usize) -> String {
    format!("g{level}n{at}")
}

/// The groups that so many pieces are put together in, until few enough are left for one request.
fn groups(pieces: usize) -> Vec<String> {
    let (mut groups, mut left, mut level) = (Vec::new(), pieces, 0);
    while left > SOURCES {
        left = left.div_ceil(SOURCES);
        groups.extend((0..left).map(|at| group_name(level, at)));
        level += 1;
    }
    groups
}

/// Removes objects, for good where their generation is known. The first error is told once all were tried.
pub(crate) async fn remove(bucket: &Bucket, places: Vec<Place>) -> Result<()> {
    let removals: Vec<_> = places
        .iter()
        .map(|(name, generation)| delete::remove(bucket, name, generation.as_deref(), None))
        .collect();
    let mut removals = stream::iter(removals).buffer_unordered(CONCURRENCY);
    let mut first = Ok(());
    while let Some(removed) = removals.next().await {
        if first.is_ok() {
            first = removed;
        }
    }
    first
}

impl Upload for Composition {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(part))
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(self.publish(size))
    }

    /// Parts stay until a clean-up takes them for left behind.
    fn keep(&self) -> Option<String> {
        Some(self.request.token.clone())
    }

    fn receipt(&self, number: u64) -> String {
        let parts = self.lock();
        let piece = parts.get(&number).and_then(Option::as_ref);
        piece.map_or_else(String::new, |piece| piece.crc.to_base64())
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.give_up())
    }
}

impl fmt::Debug for Composition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composition").field("key", &self.key).finish_non_exhaustive()
    }
}
