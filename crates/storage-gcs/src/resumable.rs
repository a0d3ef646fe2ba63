//! A write in parts, one after another: a session of the service that takes bytes until it is told the end.
//!
//! Protocol: "Resumable uploads" of the service's documentation. All but the last request carry multiples of 256 KiB,
//! so what a part has beyond that waits for the next one. The service tells how much it has; after any doubt it is asked.

use std::fmt;
use std::sync::{Arc, PoisonError};

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use storage_core::{
    Algorithm, BoxFuture, Error, ErrorKind, Key, Metadata, Part, Payload, Result, Resumed, Retry, Secret,
    TakenPart, Upload, WriteRequest,
};
use tokio::sync::Mutex;

use crate::backend::Bucket;
use crate::body::pieces;
use crate::checksum::Crc;
use crate::client::{explain, parse, query};
use crate::error::{broken, no_service};
use crate::resource::{FIELDS, Properties, Resource};
use crate::write::if_generation_match;

/// What all requests but the last carry a multiple of.
pub(crate) const QUANTUM: u64 = 256 << 10;
/// How the service says that an upload was given up.
const GIVEN_UP: u16 = 499;

/// An upload in a session.
pub(crate) struct Session {
    bucket: Arc<Bucket>,
    key: Key,
    request: WriteRequest,
    /// Path and query of the session. Whoever knows it may write to it.
    place: Secret,
    /// A digest of what the object is given beside its content.
    settings: String,
    progress: Mutex<Progress>,
    /// The part that was taken last.
    last: std::sync::Mutex<Option<(u64, Crc)>>,
}

/// How far an upload is.
#[derive(Default)]
struct Progress {
    /// The end of the last part that was taken.
    taken: u64,
    /// How much the service has, as far as is known.
    stored: u64,
    /// What was taken and the service does not have: it follows `stored`.
    held: Payload,
    /// A request was begun whose answer did not come: the service may have more.
    in_doubt: bool,
    /// Of all parts that were taken.
    crc: Crc,
    /// The object, once the service has told of it.
    done: Option<Metadata>,
}

impl Progress {
    /// Of a session that has so many bytes, where these parts were taken before.
    fn of(parts: &[TakenPart], stored: u64) -> Self {
        let mut parts: Vec<&TakenPart> = parts.iter().collect();
        parts.sort_by_key(|part| part.offset);
        let mut progress = Self { stored, ..Self::default() };
        for part in parts {
            let end = part.offset.saturating_add(part.length);
            match Crc::from_base64(&part.receipt, part.length) {
                Some(crc) if part.offset == progress.taken && end <= stored => {
                    progress.crc = progress.crc.then(crc);
                    progress.taken = end;
                }
                _ => break,
            }
        }
        progress
    }

    /// What follows `stored` once this part is taken, too; nothing if it was taken before and its answer was lost. A
    /// part whose answer did not come may be stored in part.
    fn with(&self, part: &Part) -> Result<Option<Payload>> {
        if part.offset + part.body.len() <= self.taken && !part.body.is_empty() {
            return Ok(None);
        }
        if part.offset != self.taken {
            let message = format!("part {} does not follow what was sent before", part.number);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut body = self.held.clone();
        part.body.chunks().iter().for_each(|chunk| body.push(chunk.clone()));
        // What was held went first: what is stored beyond it is of this part.
        Ok(Some(behind(&body, self.stored.saturating_sub(self.taken))))
    }

    /// Takes note of how much the service has, of what goes until `end`. Says how much that is more than was known.
    fn advance(&mut self, stored: u64, end: u64) -> Result<u64> {
        if stored < self.stored || stored > end {
            let message = "the service has another part of the upload than it had; it has to begin again";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let more = stored - self.stored;
        self.held = behind(&self.held, more);
        self.stored = stored;
        Ok(more)
    }
}

fn behind(payload: &Payload, len: u64) -> Payload {
    let mut rest = payload.clone();
    rest.split_to(len);
    rest
}

/// What the service says of a session.
enum State {
    /// It has so many bytes, and waits for more.
    Waiting(u64),
    /// It has made the object.
    Done(Box<Resource>),
}

/// The request that begins a session, by its path and body. What it says of the object is settled then.
struct Beginning {
    path: String,
    properties: String,
}

impl Beginning {
    fn new(bucket: &Bucket, key: &Key, request: &WriteRequest) -> Result<Self> {
        crate::name::check(key)?;
        let properties = Properties::new(&bucket.config, key, &request.attributes, Some(&request.token))?;
        let path = format!(
            "/upload/storage/v1/b/{}/o{}",
            crate::name::encode(&bucket.config.bucket),
            query([
                ("uploadType", Some("resumable")),
                ("name", Some(key.as_str())),
                ("ifGenerationMatch", if_generation_match(&request.condition)),
                ("predefinedAcl", bucket.config.predefined_acl.as_deref()),
                ("kmsKeyName", bucket.config.kms_key.as_deref()),
                ("fields", Some(FIELDS)),
            ])
        );
        Ok(Self { path, properties: properties.to_json() })
    }

    /// What tells whether two of them would make the same object.
    fn digest(&self) -> String {
        Algorithm::Blake3.digest(format!("{}\n{}", self.path, self.properties).as_bytes()).to_hex()
    }
}

pub(crate) async fn start(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
) -> Result<Box<dyn Upload>> {
    let beginning = Beginning::new(bucket, key, request)?;
    let settings = beginning.digest();
    let post = bucket
        .service
        .request(Method::POST, &beginning.path)
        .headers(bucket.customer())
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(beginning.properties);
    let answer =
        bucket.service.call(post).await.map_err(|refused| refused.of_condition(&request.condition))?;
    Ok(Box::new(Session::at(bucket, key, request, place(&answer)?, settings)))
}

/// Goes on with a session that the service still has. The parts that it has in whole stand; what it has beyond them is of the
/// next one. That all of it is what it should be is proved by the service at the end, which refuses what has another checksum.
pub(crate) async fn resume(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
    name: &str,
    parts: &[TakenPart],
) -> Result<Option<Resumed>> {
    let Some((settings, place)) = name.split_once(' ').filter(|(_, place)| place.starts_with('/')) else {
        return Ok(None);
    };
    let wanted = Beginning::new(bucket, key, request)?.digest();
    let session = Session::at(bucket, key, request, Secret::new(place), wanted);
    if session.settings != settings {
        // It would become another object than the one that is asked for now.
        session.give_up().await?;
        return Ok(None);
    }
    let stored = match session.put("bytes */*", Payload::new(), None).await {
        Ok(State::Waiting(stored)) => stored,
        // Nothing can be added to it.
        Ok(State::Done(_)) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let progress = Progress::of(parts, stored);
    let standing = parts.iter().filter(|part| part.offset.saturating_add(part.length) <= progress.taken);
    let parts = standing.map(|part| part.number).collect();
    let upload = Box::new(Session { progress: Mutex::new(progress), ..session });
    Ok(Some(Resumed { upload, parts }))
}

/// Where the session is, by path and query: the same service is asked, whatever name it gives itself.
fn place(answer: &Response) -> Result<Secret> {
    let told = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(no_service)?;
    let path = match told.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| path),
        None => told.strip_prefix('/'),
    };
    let path = path.ok_or_else(|| broken("the service names no place for the upload"))?;
    Ok(Secret::new(format!("/{path}")))
}

impl Session {
    fn at(bucket: &Arc<Bucket>, key: &Key, request: &WriteRequest, place: Secret, settings: String) -> Self {
        Self {
            bucket: bucket.clone(),
            key: key.clone(),
            request: request.clone(),
            place,
            settings,
            progress: Mutex::default(),
            last: std::sync::Mutex::default(),
        }
    }

    async fn take(&self, part: Part) -> Result<()> {
        let mut progress = self.progress.lock().await;
        let end = part.offset + part.body.len();
        let Some(mut body) = progress.with(&part)? else { return Ok(()) };
        while progress.in_doubt || body.len() >= QUANTUM {
            let asked = progress.in_doubt;
            let (range, chunk) = if asked {
                ("bytes */*".to_owned(), Payload::new())
            } else {
                let chunk = body.clone().split_to(body.len() / QUANTUM * QUANTUM);
                (format!("bytes {}-{}/*", progress.stored, progress.stored + chunk.len() - 1), chunk)
            };
            progress.in_doubt = true;
            let State::Waiting(stored) = self.put(&range, chunk, None).await? else {
                let message = "the service ended the upload before its end";
                return Err(Error::new(ErrorKind::InvalidData, message).maybe_applied());
            };
            let more = progress.advance(stored, end)?;
            progress.in_doubt = false;
            body.split_to(more);
            if !asked && more == 0 {
                return Err(standstill());
            }
        }
        let crc = Crc::of(&part.body);
        progress.held = body;
        progress.taken = end;
        progress.crc = progress.crc.then(crc);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((part.number, crc));
        Ok(())
    }

    async fn publish(&self, size: u64) -> Result<Metadata> {
        let mut progress = self.progress.lock().await;
        if let Some(done) = &progress.done {
            return Ok(done.clone());
        }
        if progress.taken != size {
            let message = format!("the upload has {} bytes for {size}", progress.taken);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        loop {
            let asked = progress.in_doubt;
            let (range, body) = if asked || progress.held.is_empty() {
                (format!("bytes */{size}"), Payload::new())
            } else {
                (format!("bytes {}-{}/{size}", progress.stored, size - 1), progress.held.clone())
            };
            progress.in_doubt = true;
            match self.put(&range, body, Some(progress.crc)).await? {
                State::Done(resource) => {
                    resource.verify(progress.crc)?;
                    let written = resource.metadata(&self.key, self.bucket.config.versions)?;
                    progress.done = Some(written.clone());
                    return Ok(written);
                }
                State::Waiting(stored) => {
                    let more = progress.advance(stored, size)?;
                    progress.in_doubt = false;
                    if !asked && more == 0 {
                        return Err(standstill());
                    }
                }
            }
        }
    }

    /// One request of the session.
    async fn put(&self, range: &str, body: Payload, crc: Option<Crc>) -> Result<State> {
        let mut put = self
            .bucket
            .service
            .request(Method::PUT, self.place.reveal())
            .headers(self.bucket.customer())
            .header(CONTENT_RANGE, range)
            .header(CONTENT_LENGTH, body.len());
        if let Some(crc) = crc {
            put = put.header("x-goog-hash", format!("crc32c={}", crc.to_base64()));
        }
        let answer = self.bucket.service.send(put.body(pieces(body.chunks().to_vec()))).await?;
        match answer.status() {
            StatusCode::PERMANENT_REDIRECT => Ok(State::Waiting(stored(&answer)?)),
            status if status.is_success() => Ok(State::Done(Box::new(parse(answer).await?))),
            _ => Err(explain(answer).await.of_condition(&self.request.condition)),
        }
    }

    async fn give_up(&self) -> Result<()> {
        let delete =
            self.bucket.service.request(Method::DELETE, self.place.reveal()).header(CONTENT_LENGTH, 0);
        let answer = self.bucket.service.send(delete).await?;
        match answer.status().as_u16() {
            GIVEN_UP | 200..=299 | 404 | 410 => Ok(()),
            _ => Err(explain(answer).await.error),
        }
    }
}

/// How much the service has: it names the first and the last byte, or nothing where it has nothing.
fn stored(answer: &Response) -> Result<u64> {
    let Some(range) = answer.headers().get(RANGE) else { return Ok(0) };
    let last = range.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes=0-")?.parse::<u64>().ok());
    let stored = last.and_then(|last| last.checked_add(1));
    stored.ok_or_else(|| broken("the service does not say how much of the upload it has"))
}

fn standstill() -> Error {
    Error::new(ErrorKind::Unavailable, "the service took nothing of what was sent").with_retry(Retry::Backoff)
}

impl Upload for Session {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(part))
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(self.publish(size))
    }

    /// The service keeps a session for a week.
    fn keep(&self) -> Option<String> {
        Some(format!("{} {}", self.settings, self.place.reveal()))
    }

    fn receipt(&self, number: u64) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(last, _)| *last == number).map_or_else(String::new, |(_, crc)| crc.to_base64())
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.give_up())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use crate::checksum::Crc;
    use storage_core::{Part, Payload, TakenPart};

    fn part(offset: u64, body: &'static str) -> Part {
        Part::new(0, offset, Payload::from(body))
    }

    #[test]
    fn parts_follow_each_other() {
        let mut progress = Progress::default();
        let with = |progress: &Progress, offset, body| {
            progress.with(&part(offset, body)).map(|body| body.map(Payload::into_bytes)).ok()
        };
        let rest = |text: &'static str| Some(Some(text.into()));
        assert_eq!(with(&progress, 0, "abc"), rest("abc"));
        assert_eq!(with(&progress, 3, "abc"), None);
        (progress.held, progress.taken) = (Payload::from("abc"), 3);
        assert_eq!(with(&progress, 3, "def"), rest("abcdef"));
        // The answer to the first part was lost on its way to whoever sent it.
        assert_eq!(with(&progress, 0, "abc"), Some(None));
        // The service took what was held and the first byte of the part, and the rest was lost.
        progress.advance(4, 6).expect("between");
        assert_eq!(with(&progress, 3, "def"), rest("ef"));
        progress.advance(6, 6).expect("the end");
        assert_eq!(with(&progress, 3, "def"), rest(""));
        assert_eq!(with(&progress, 7, "x"), None);
        assert!(progress.advance(5, 6).is_err() && progress.advance(7, 6).is_err());
    }
    #[test]
    fn a_session_goes_on_behind_the_parts_it_has_in_whole() {
        let body = Payload::from("0123456789");
        let taken = |number: u64, receipt: &str| {
            TakenPart::new(&Part::new(number, number * 10, body.clone()), receipt)
        };
        let crc = Crc::of(&body);
        let receipt = crc.to_base64();
        let parts = [taken(1, &receipt), taken(0, &receipt), taken(2, &receipt)];
        for (stored, expected) in [(0, 0), (9, 0), (10, 10), (29, 20), (30, 30), (31, 30)] {
            let progress = Progress::of(&parts, stored);
            assert_eq!((progress.taken, progress.stored), (expected, stored));
            let whole = (0..expected / 10).fold(Crc::default(), |whole, _| whole.then(crc));
            assert_eq!(progress.crc, whole);
        }
        // What is not known, or not known well, is sent again with all that follows.
        assert_eq!(Progress::of(&[taken(0, &receipt), taken(2, &receipt)], 30).taken, 10);
        assert_eq!(Progress::of(&[taken(0, ""), taken(1, &receipt)], 30).taken, 0);
    }
}
