//! The backend: each method one request.

use std::net::SocketAddr;

use bytes::Bytes;
use storage_core::{
    Backend, BoxFuture, ByteRange, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, ETag, Error, ErrorKind, Key, Level, ListRequest, Lister, Metadata, Part, Payload, Prefix,
    ReadRequest, ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target,
    Upload, WriteRequest,
};

use super::client::{Answer, Client};
use super::list::TinyLister;
use super::mutant;

#[derive(Clone, Debug)]
pub(super) struct Tiny {
    pub(super) client: Client,
    /// The path of this store: `/name/`.
    pub(super) root: String,
}

impl Tiny {
    pub(super) fn new(server: SocketAddr, name: &str) -> Self {
        Self { client: Client::new(server), root: format!("/{name}/") }
    }

    fn path(&self, key: &Key) -> String {
        format!("{}{}", self.root, encode(key.as_str()))
    }

    /// A request that makes an object of `size` bytes.
    async fn make(
        &self,
        method: &str,
        target: &str,
        mut headers: Vec<(&str, String)>,
        condition: &Condition,
        body: Bytes,
    ) -> Result<Answer> {
        match condition {
            Condition::IfAbsent => headers.push(("If-None-Match", "*".into())),
            Condition::IfMatch(etag) => headers.push(("If-Match", etag.to_string())),
            _ => {}
        }
        let made = self.client.send(method, target, &headers, body).await;
        made.map_err(|error| match (condition, error.kind()) {
            (Condition::IfAbsent, ErrorKind::PreconditionFailed) => {
                Error::new(ErrorKind::AlreadyExists, "an object is there")
            }
            _ => error,
        })
    }
}

fn token(request: &WriteRequest) -> Vec<(&'static str, String)> {
    if mutant::is("no-token") { Vec::new() } else { vec![("X-Token", request.token.clone())] }
}

/// The metadata of an object that was made, once the body confirms that it was.
async fn made(answer: Answer, size: u64, token: Option<&str>) -> Result<Metadata> {
    let mut metadata = Metadata::new(size);
    metadata.etag = answer.header("etag").map(ETag::new);
    metadata.token = token.map(str::to_owned);
    let text = answer.text().await.map_err(Error::maybe_applied)?;
    if text == "done" || mutant::is("trusts-200") {
        return Ok(metadata);
    }
    Err(Error::new(ErrorKind::Unavailable, "the server says 200 and tells of an error").maybe_applied())
}

/// The mistake of making a body as long as it should be.
async fn fitted(metadata: Metadata, range: std::ops::Range<u64>, answer: Answer) -> Result<ReadResponse> {
    let (mut body, wanted) = (answer.whole().await?.to_vec(), (range.end - range.start) as usize);
    if mutant::is("fits-the-length") {
        body.reverse();
        body.resize(wanted, 0);
        body.reverse();
    }
    body.truncate(wanted);
    Ok(ReadResponse::new(metadata, range, storage_core::body([body.into()])))
}

fn told(answer: &Answer, size: u64) -> Metadata {
    let mut metadata = Metadata::new(size);
    metadata.etag = answer.header("etag").map(ETag::new);
    metadata.token = answer.header("x-token").filter(|token| !token.is_empty()).map(str::to_owned);
    metadata
}

impl Backend for Tiny {
    fn name(&self) -> &str {
        "tiny"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Atomic;
        can.delete_if_match = Level::Atomic;
        can.copy = Level::Atomic;
        can.write_token = !super::variant("tokenless");
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let answer = self.client.send("HEAD", &self.path(key), &[], Bytes::new()).await?;
            let metadata = told(&answer, answer.length());
            answer.text().await?;
            Ok(metadata)
        })
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(async move {
            let mut headers = Vec::new();
            match request.range {
                ByteRange::Bounded { start, end } => {
                    headers.push(("Range", format!("bytes={start}-{}", end - 1)));
                }
                ByteRange::From(start) => headers.push(("Range", format!("bytes={start}-"))),
                ByteRange::Suffix(length) => headers.push(("Range", format!("bytes=-{length}"))),
                _ => {}
            }
            let pin = request.conditions.if_match.as_ref();
            if let Some(etag) = pin.filter(|_| !mutant::is("forgets-the-version")) {
                headers.push(("If-Match", etag.to_string()));
            }
            let answer = match self.client.send("GET", &self.path(key), &headers, Bytes::new()).await {
                // Offset 0 of an empty object is no range for HTTP.
                Err(error) if error.kind() == ErrorKind::RangeNotSatisfiable => {
                    let metadata = self.stat(key, &StatRequest::default()).await?;
                    let range = request.range.resolve(metadata.size)?;
                    return Ok(ReadResponse::new(metadata, range, storage_core::body([])));
                }
                answer => answer?,
            };
            let sent = answer.header("content-range").and_then(content_range);
            let (mut range, size) = sent.unwrap_or((0..answer.length(), answer.length()));
            if mutant::is("trusts-the-range") {
                range = request.range.resolve(size)?;
            }
            let mut metadata = told(&answer, size);
            if mutant::is("forgets-the-version") && pin.is_some() {
                metadata.etag = pin.cloned();
            }
            if mutant::is("takes-the-beginning") || mutant::is("fits-the-length") {
                return fitted(metadata, request.range.resolve(size)?, answer).await;
            }
            Ok(ReadResponse::new(metadata, range, answer.body()))
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let (size, path) = (body.len(), self.path(key));
            let sent = self.make("PUT", &path, token(request), &request.condition, body.into_bytes());
            match sent.await {
                Err(_) if mutant::is("swallows-writes") => Ok(Metadata::new(size)),
                sent => made(sent?, size, Some(&request.token)).await,
            }
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            let path = self.path(key);
            let begun = self.client.send("POST", &format!("{path}?begin=1"), &[], Bytes::new()).await?;
            let upload =
                TinyUpload { tiny: self.clone(), path, name: begun.text().await?, request: request.clone() };
            Ok(Box::new(upload) as Box<dyn Upload>)
        })
    }

    fn resume<'a>(
        &'a self,
        _: &'a Key,
        _: &'a WriteRequest,
        _: &'a str,
        _: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(TinyLister::new(self.clone(), &request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let target = &targets[0];
            let condition = target.if_match.clone().map_or(Condition::None, Condition::IfMatch);
            let deleted =
                self.make("DELETE", &self.path(&target.key), Vec::new(), &condition, Bytes::new()).await;
            match deleted {
                Ok(answer) => answer.text().await.map(|_| vec![Ok(())]),
                Err(error) => Ok(vec![Err(error)]),
            }
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let size = self.stat(from, &StatRequest::default()).await?.size;
            let pin =
                request.source_if_match.iter().map(|etag| ("X-Source-If-Match", etag.to_string())).collect();
            let target = format!("{}?copy={}", self.path(to), self.path(from));
            made(self.make("PUT", &target, pin, &request.condition, Bytes::new()).await?, size, None).await
        })
    }

    fn copy_from<'a>(
        &'a self,
        _: &'a dyn Backend,
        _: &'a [CopyTarget],
        _: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn rename<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<()>> {
        no()
    }

    fn update<'a>(&'a self, _: &'a Target, _: &'a Change) -> BoxFuture<'a, Result<()>> {
        no()
    }

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        no()
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        no()
    }

    fn cleanup<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        no()
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        no()
    }
}

fn no<T>() -> BoxFuture<'static, Result<T>> {
    Box::pin(async { Err(Error::unsupported("the tiny store cannot do this")) })
}

#[derive(Debug)]
struct TinyUpload {
    tiny: Tiny,
    path: String,
    name: String,
    request: WriteRequest,
}

impl Upload for TinyUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let target = format!("{}?part={}&upload={}", self.path, part.number, self.name);
            match self.tiny.client.send("PUT", &target, &[], part.body.into_bytes()).await {
                Err(_) if mutant::is("swallows-parts") => Ok(()),
                answer => answer?.text().await.map(drop),
            }
        })
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move {
            let target = format!("{}?finish={}", self.path, self.name);
            let condition = &self.request.condition;
            let sent = self.tiny.make("POST", &target, token(&self.request), condition, Bytes::new()).await?;
            made(sent, size, Some(&self.request.token)).await
        })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let target = format!("{}?upload={}", self.path, self.name);
            self.tiny.client.send("DELETE", &target, &[], Bytes::new()).await?.text().await.map(drop)
        })
    }
}

fn content_range(header: &str) -> Option<(std::ops::Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()? + 1, size.parse().ok()?))
}

/// `/` stays; of the rest only what is safe everywhere. Upper-case digits sort as the bytes do.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

pub(super) fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let (digits, behind) = rest.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = behind;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
