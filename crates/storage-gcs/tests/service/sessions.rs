//! Sessions as the emulator's are not: the service keeps less than was sent, or tells nonsense.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::Trial;
use storage_core::{ErrorKind, RetryPolicy, WriteOptions};
use storage_gcs::{Config, Credentials};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::errors::open;
use crate::run::{Outcome, body, key, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("sessions/keep-less-than-was-sent", less),
        test("sessions/forget-what-they-had", forgets),
        test("sessions/claim-more-than-was-sent", more),
        test("sessions/take-nothing", nothing),
        test("sessions/tell-another-checksum", checksum),
        test("sessions/end-before-their-end", early),
    ]
}

const MIB: usize = 1 << 20;
const QUANTUM: usize = 256 << 10;

/// What the service does with the request of this number, of those that carry bytes.
type Keeps = fn(number: usize, sent: usize) -> Keep;

enum Keep {
    /// So many bytes, and says so.
    Bytes(usize),
    /// So many bytes, and closes the connection.
    Silently(usize),
    /// All of them, and answers this.
    Says(&'static str),
}

#[derive(Default)]
struct State {
    stored: Vec<u8>,
    requests: usize,
    made: usize,
}

/// One session, of a service that takes what `keeps` says.
struct Service {
    keeps: Keeps,
    state: Mutex<State>,
}

impl Service {
    async fn start(keeps: Keeps) -> Result<(Arc<Self>, SocketAddr), std::io::Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = Arc::new(Self { keeps, state: Mutex::default() });
        let shared = service.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let service = shared.clone();
                tokio::spawn(async move { service.serve(client).await });
            }
        });
        Ok((service, address))
    }

    async fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        let mut client = BufReader::new(client);
        loop {
            let (mut method, mut range, mut length) = (String::new(), String::new(), 0);
            loop {
                let mut line = String::new();
                if client.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                } else if let Some(told) = line.strip_prefix("content-length:") {
                    length = told.trim().parse().unwrap_or(0);
                } else if let Some(told) = line.strip_prefix("content-range:") {
                    range = told.trim().to_owned();
                } else if method.is_empty() {
                    method = line.split(' ').next().unwrap_or_default().to_owned();
                }
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).await?;
            let Some(answer) = self.answer(&method, &range, &body) else { return Ok(()) };
            client.write_all(answer.as_bytes()).await?;
        }
    }

    fn answer(&self, method: &str, range: &str, body: &[u8]) -> Option<String> {
        if method == "post" {
            return Some(
                "HTTP/1.1 200 OK\r\nlocation: /session?upload_id=x\r\ncontent-length: 0\r\n\r\n".to_owned(),
            );
        }
        if method == "get" {
            let told = r#"{"error":{"code":404,"message":"No such object: b/k"}}"#;
            return Some(format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{told}", told.len()));
        }
        if method == "delete" {
            return Some("HTTP/1.1 499 Client Closed Request\r\ncontent-length: 0\r\n\r\n".to_owned());
        }
        let mut state = self.state.lock().expect("nobody panicked");
        let (span, total) = range.strip_prefix("bytes ").and_then(|r| r.split_once('/')).expect("a range");
        if !body.is_empty() {
            let start: usize = span.split('-').next().and_then(|start| start.parse().ok()).expect("a start");
            assert!(start <= state.stored.len(), "{range} of {}", state.stored.len());
            let number = state.requests;
            state.requests += 1;
            let kept = (self.keeps)(number, body.len());
            let keep = match kept {
                Keep::Bytes(keep) | Keep::Silently(keep) => keep,
                Keep::Says(_) => body.len(),
            };
            state.stored.truncate(start);
            state.stored.extend_from_slice(&body[..keep.min(body.len())]);
            match kept {
                Keep::Silently(_) => return None,
                Keep::Says(answer) => return Some(answer.to_owned()),
                Keep::Bytes(_) => {}
            }
        }
        if total.parse() == Ok(state.stored.len()) {
            state.made += 1;
            let told = format!(r#"{{"generation":"7","size":"{total}"}}"#);
            return Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}", told.len()));
        }
        let stored = match state.stored.len() {
            0 => String::new(),
            len => format!("range: bytes=0-{}\r\n", len - 1),
        };
        Some(format!("HTTP/1.1 308 Resume Incomplete\r\n{stored}content-length: 0\r\n\r\n"))
    }
}

async fn write(address: SocketAddr, content: &[u8]) -> storage_core::Result<storage_core::Metadata> {
    let config = Config::new("b").endpoint(format!("http://{address}")).credentials(Credentials::Anonymous);
    let policy = RetryPolicy::default().waits(Duration::from_millis(1), Duration::from_millis(5));
    let store = open(config).await.with_retry(policy);
    store.write(&key("k"), content.to_vec(), WriteOptions::new().part_size(MIB as u64)).await
}

async fn less() -> Outcome {
    let ways: [Keeps; 6] = [
        |_, sent| Keep::Bytes(sent.min(QUANTUM)),
        |number, sent| Keep::Bytes(if number % 2 == 0 { 0 } else { sent }),
        |number, sent| if number % 2 == 0 { Keep::Silently(sent / 2) } else { Keep::Bytes(sent) },
        |number, sent| if number % 3 == 0 { Keep::Silently(1) } else { Keep::Bytes(sent / 3 + QUANTUM / 4) },
        |number, sent| if number % 2 == 0 { Keep::Silently(0) } else { Keep::Bytes(sent) },
        |number, sent| if number % 2 == 0 { Keep::Silently(sent) } else { Keep::Bytes(sent) },
    ];
    for (way, keeps) in ways.into_iter().enumerate() {
        for len in [9 * MIB, 8 * MIB + 12345] {
            let (service, address) = Service::start(keeps).await?;
            write(address, &body(len)).await.map_err(|error| format!("{way}, {len}: {error}"))?;
            let state = service.state.lock().expect("nobody panicked");
            assert!(state.stored == body(len), "{way}: {} of {len} bytes, or others", state.stored.len());
            assert_eq!(state.made, 1, "{way}");
        }
    }
    Ok(())
}

/// What nobody holds any more cannot be sent again.
async fn forgets() -> Outcome {
    let keeps: Keeps = |number, sent| match number {
        2 => Keep::Says("HTTP/1.1 308 Resume Incomplete\r\ncontent-length: 0\r\n\r\n"),
        _ => Keep::Bytes(sent),
    };
    let (service, address) = Service::start(keeps).await?;
    let failed = write(address, &body(9 * MIB)).await.expect_err("bytes are gone");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert_eq!(service.state.lock().expect("nobody panicked").made, 0);
    Ok(())
}

async fn more() -> Outcome {
    let ways: [Keeps; 4] = [
        |_, _| Keep::Says("HTTP/1.1 308 R\r\nrange: bytes=0-99999999\r\ncontent-length: 0\r\n\r\n"),
        |_, _| {
            Keep::Says("HTTP/1.1 308 R\r\nrange: bytes=0-18446744073709551615\r\ncontent-length: 0\r\n\r\n")
        },
        |_, _| Keep::Says("HTTP/1.1 308 R\r\nrange: bytes=1-9\r\ncontent-length: 0\r\n\r\n"),
        |_, _| Keep::Says("HTTP/1.1 308 R\r\nrange: 0-9\r\ncontent-length: 0\r\n\r\n"),
    ];
    for keeps in ways {
        let (service, address) = Service::start(keeps).await?;
        let written = write(address, &body(9 * MIB)).await;
        let state = service.state.lock().expect("nobody panicked");
        match written {
            // Asked again it told what it has.
            Ok(_) => assert!(state.stored == body(9 * MIB) && state.made == 1),
            Err(failed) => {
                assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
                assert_eq!(state.made, 0);
            }
        }
    }
    Ok(())
}

async fn nothing() -> Outcome {
    let (service, address) = Service::start(|_, _| Keep::Bytes(0)).await?;
    let failed = write(address, &body(9 * MIB)).await.expect_err("nothing is taken");
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    assert_eq!(service.state.lock().expect("nobody panicked").made, 0);
    Ok(())
}

async fn checksum() -> Outcome {
    let keeps: Keeps = |number, sent| match number {
        9 => Keep::Says(
            "HTTP/1.1 200 OK\r\ncontent-length: 57\r\n\r\n{\"generation\":\"7\",\"size\":\"9437284\",\"crc32c\":\"AAAAAA==\"}  ",
        ),
        _ => Keep::Bytes(sent),
    };
    let (_, address) = Service::start(keeps).await?;
    let failed = write(address, &body(9 * MIB + 100)).await.expect_err("other bytes");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert!(failed.may_have_been_applied() && failed.to_string().contains("checksum"), "{failed}");
    Ok(())
}

async fn early() -> Outcome {
    let keeps: Keeps = |number, sent| match number {
        1 => Keep::Says(
            "HTTP/1.1 200 OK\r\ncontent-length: 37\r\n\r\n{\"generation\":\"7\",\"size\":\"2097152\"}  ",
        ),
        _ => Keep::Bytes(sent),
    };
    let (_, address) = Service::start(keeps).await?;
    let failed = write(address, &body(9 * MIB)).await.expect_err("an object of two parts");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert!(failed.may_have_been_applied(), "an object stands there: {failed}");
    Ok(())
}
