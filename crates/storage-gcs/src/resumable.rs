//! A write in parts, one after another: a session of the service that takes bytes until it is told the end.
//!
//! Protocol: "Resumable uploads" of the service's documentation. All but the last request carry multiples of 256 KiB,
//! so what a part has beyond that waits for the next one. The service tells how much it has; after any doubt it is asked.

use std::fmt;
use std::sync::Arc;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use storage_core::{
    BoxFuture, Error, ErrorKind, Key, Metadata, Part, Payload, Result, Retry, Secret, Upload, WriteRequest,
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
    progress: Mutex<Progress>,
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

pub(crate) async fn start(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
) -> Result<Box<dyn Upload>> {
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
    let post = bucket
        .service
        .request(Method::POST, &path)
        .headers(bucket.customer())
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(properties.to_json());
    let answer =
        bucket.service.call(post).await.map_err(|refused| refused.of_condition(&request.condition))?;
    Ok(Box::new(Session {
        bucket: bucket.clone(),
        key: key.clone(),
        request: request.clone(),
        place: place(&answer)?,
        progress: Mutex::default(),
    }))
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
        progress.held = body;
        progress.taken = end;
        progress.crc = progress.crc.then(Crc::of(&part.body));
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

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
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
    use storage_core::{Part, Payload};

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
}
