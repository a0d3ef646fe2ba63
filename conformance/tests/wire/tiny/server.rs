//! The server: objects in memory, on a thread of its own.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Entries of one page of a listing: few, so that a short listing has several.
const PAGE: usize = 4;

#[derive(Clone)]
struct Object {
    body: Bytes,
    etag: String,
    token: String,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, BTreeMap<u64, Bytes>>,
    number: u64,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

struct Answer(u16, Vec<(&'static str, String)>, Bytes);

impl Answer {
    fn status(status: u16) -> Self {
        Self(status, Vec::new(), Bytes::new())
    }

    fn of(object: &Object) -> Self {
        let headers = vec![("ETag", object.etag.clone()), ("X-Token", object.token.clone())];
        Self(200, headers, object.body.clone())
    }
}

/// Starts a server that runs as long as the process.
pub(super) fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let state = Arc::new(Mutex::new(State::default()));
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                // Clients leave as they like.
                tokio::spawn(serve(stream, state.clone()));
            }
        });
    });
    address
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let Answer(status, headers, body) = state.lock().unwrap().answer(&request);
        let mut head = format!("HTTP/1.1 {status} Tiny\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        if request.method != "HEAD" {
            stream.write_all(&body).await?;
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Request>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(length) = head.parse(buffer).unwrap() {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers: BTreeMap<String, String> =
                head.headers.iter().map(|h| (h.name.to_lowercase(), text(h.value))).collect();
            let (path, query) = head.path.unwrap().split_once('?').unwrap_or((head.path.unwrap(), ""));
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let (method, path) = (head.method.unwrap().to_owned(), path.to_owned());
            let body = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            while buffer.len() < length + body {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
            let body = buffer.split_to(length + body).freeze().slice(length..);
            return Ok(Some(Request { method, path, query, headers, body }));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let query = |name: &str| request.query.get(name);
        match request.method.as_str() {
            "GET" if query("list").is_some() => self.list(request),
            "GET" | "HEAD" => self.get(request),
            "PUT" => match (query("part"), query("copy")) {
                (Some(part), _) => self.part(request, part.parse().unwrap()),
                (_, Some(source)) => self.copy(request, &source.clone()),
                _ => self.put(request, request.body.clone()),
            },
            "POST" if query("begin").is_some() => self.begin(),
            "POST" => self.finish(request),
            _ if query("upload").is_some() => {
                self.uploads.remove(&request.query["upload"]);
                Answer::status(204)
            }
            _ => self.delete(request),
        }
    }

    fn refused(&self, request: &Request) -> bool {
        let found = self.objects.get(&request.path);
        let absent = request.headers.contains_key("if-none-match");
        let wanted = request.headers.get("if-match");
        (absent && found.is_some()) || wanted.is_some_and(|etag| found.is_none_or(|o| o.etag != *etag))
    }

    fn get(&self, request: &Request) -> Answer {
        let Some(object) = self.objects.get(&request.path) else { return Answer::status(404) };
        if self.refused(request) {
            return Answer::status(412);
        }
        let mut answer = Answer::of(object);
        let size = object.body.len() as u64;
        if let Some((first, last)) = request.headers.get("range").and_then(|range| range[6..].split_once('-'))
        {
            let (start, end) = match (first, last) {
                ("", suffix) => (size.saturating_sub(suffix.parse().unwrap()), size),
                (first, "") => (first.parse().unwrap(), size),
                (first, last) => {
                    (first.parse().unwrap(), (last.parse::<u64>().unwrap().saturating_add(1)).min(size))
                }
            };
            if start >= size {
                return Answer(416, vec![("Content-Range", format!("bytes */{size}"))], Bytes::new());
            }
            answer.0 = 206;
            answer.1.push(("Content-Range", format!("bytes {start}-{}/{size}", end - 1)));
            answer.2 = object.body.slice(start as usize..end as usize);
        }
        answer
    }

    fn put(&mut self, request: &Request, body: Bytes) -> Answer {
        if self.refused(request) {
            return Answer::status(412);
        }
        self.number += 1;
        let token = request.headers.get("x-token").cloned().unwrap_or_default();
        let object = Object { body, etag: format!("\"{:x}\"", self.number), token };
        let headers = vec![("ETag", object.etag.clone())];
        self.objects.insert(request.path.clone(), object);
        Answer(200, headers, Bytes::from_static(b"done"))
    }

    fn copy(&mut self, request: &Request, source: &str) -> Answer {
        let Some(found) = self.objects.get(source).cloned() else { return Answer::status(404) };
        let changed = request.headers.get("x-source-if-match").is_some_and(|etag| *etag != found.etag);
        if changed { Answer::status(412) } else { self.put(request, found.body) }
    }

    fn begin(&mut self) -> Answer {
        self.number += 1;
        let name = self.number.to_string();
        self.uploads.insert(name.clone(), BTreeMap::new());
        Answer(200, Vec::new(), name.into())
    }

    fn part(&mut self, request: &Request, number: u64) -> Answer {
        let Some(upload) = self.uploads.get_mut(&request.query["upload"]) else { return Answer::status(404) };
        upload.insert(number, request.body.clone());
        Answer::status(200)
    }

    fn finish(&mut self, request: &Request) -> Answer {
        let name = &request.query["finish"];
        let Some(parts) = self.uploads.get(name) else { return Answer::status(404) };
        let body = parts.values().flatten().copied().collect::<Vec<u8>>();
        let answer = self.put(request, body.into());
        if answer.0 == 200 {
            self.uploads.remove(name);
        }
        answer
    }

    fn delete(&mut self, request: &Request) -> Answer {
        if self.refused(request) {
            return Answer::status(412);
        }
        self.objects.remove(&request.path);
        Answer::status(204)
    }

    /// Lines of name, size and ETag behind `after`; then one that says where to go on, or that this is all.
    fn list(&self, request: &Request) -> Answer {
        let (prefix, after) =
            (&request.query["list"], request.query.get("after").cloned().unwrap_or_default());
        let (mut lines, mut count) = (String::new(), 0);
        for (path, object) in
            self.objects.iter().filter(|(path, _)| path.starts_with(prefix) && **path > after)
        {
            if count == PAGE {
                lines.push_str("more\n");
                return Answer(200, Vec::new(), lines.into());
            }
            lines.push_str(&format!("{path} {} {}\n", object.body.len(), object.etag));
            count += 1;
        }
        lines.push_str("end\n");
        Answer(200, Vec::new(), lines.into())
    }
}
