//! What goes wrong before a service works, as its user reads it: one line that says what to do, soon, without secrets.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Close, Fault, Plan, Proxy, Rule};
use storage_core::{
    CopyOptions, DeleteTarget, Error, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, StatOptions,
    Store, Timeouts, WriteOptions,
};
use storage_gcs::{Config, Credentials, Gcs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::run::{NOWHERE, Outcome, Place, body, key, on, test};
use crate::support::config;
use crate::support::dialect::call;

/// Nobody waits longer than this for the news that nothing works.
const SOON: Duration = Duration::from_secs(15);
pub(crate) const SECRET: &str = "hunter2hunter2";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("errors/wrong-token", wrong_token),
        on("errors/missing-bucket", missing_bucket),
        on("errors/a-reader-cannot-write", reader),
        on("errors/no-session-in-messages", no_session),
        on("errors/an-explanation-that-breaks-off", broken_off),
        test("errors/closed-port", closed_port),
        test("errors/black-hole", black_hole),
        test("errors/a-server-that-never-answers", silent),
        test("errors/no-such-host", no_such_host),
        test("errors/endpoint-that-is-a-web-site", web_site),
        test("errors/endpoint-that-is-another-server", other_server),
        test("errors/endpoint-that-is-no-url", no_url),
        test("errors/customer-key-of-another-length", customer_key),
        test("errors/ca-file-that-is-none", ca_file),
        test("errors/long-answers", long),
        test("errors/answers-without-end", endless),
        test("errors/strange-times-to-wait", waits),
    ]
}

fn settings(endpoint: &str) -> Config {
    let token = Credentials::Token(format!("ya29.{SECRET}").into());
    Config::new("bucket").endpoint(endpoint).credentials(token)
}

pub(crate) async fn open(config: Config) -> Store {
    Store::new(Gcs::open(config).await.expect("a store"))
}

/// Fails soon, in one line, with this kind and these words in it, whatever is asked for.
pub(crate) async fn fails(store: &Store, kind: ErrorKind, words: &[&str]) -> Error {
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("no success");
    check(&read, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let write = store.write(&key("k"), "x", WriteOptions::new()).await.map(drop).expect_err("no success");
    check(&write, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let large = store.write(&key("k"), body(9 << 20), WriteOptions::new()).await.map(drop);
    check(&large.expect_err("no success"), begun.elapsed(), kind, words);
    let begun = Instant::now();
    let stat = store.stat(&key("k"), StatOptions::new()).await.map(drop).expect_err("no success");
    check(&stat, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let mut listing = store.list(&Prefix::root(), ListOptions::new());
    let listed = listing.next().await.expect("an entry or an error").expect_err("no success");
    check(&listed, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let deleted = store.delete_all([key("a"), key("b")].map(DeleteTarget::new)).await;
    for (_, result) in deleted {
        check(&result.expect_err("no success"), begun.elapsed(), kind, words);
    }
    write
}

pub(crate) fn check(error: &Error, took: Duration, kind: ErrorKind, words: &[&str]) {
    let line = error.to_string();
    assert_eq!(error.kind(), kind, "{line}");
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {line}");
    }
    assert!(took < SOON, "{took:?}: {line}");
    assert!(!line.contains('\n'), "{line}");
    assert!(line.len() < 500, "{line}");
    let shown = shown(error);
    for secret in [SECRET, "ya29", "Bearer", "PRIVATE KEY", "upload_id=", "uploadType=", "X-Goog-Signature"] {
        assert!(!shown.contains(secret), "`{secret}` in: {shown}");
    }
}

/// All that an error can be made to say.
fn shown(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    shown
}

async fn wrong_token(endpoint: String) -> Outcome {
    Place::new(&endpoint).await;
    let token = Credentials::Token(format!("ya29.{SECRET}").into());
    let store = open(config("haul", &endpoint).credentials(token)).await;
    let write =
        fails(&store, ErrorKind::Unauthenticated, &["takes no such credentials", "log in again"]).await;
    assert!(!write.may_have_been_applied(), "{write}");
    assert!(!format!("{store:?}").contains(SECRET));
    let store = open(config("haul", &endpoint).credentials(Credentials::Anonymous)).await;
    fails(&store, ErrorKind::Unauthenticated, &["takes no such credentials"]).await;
    Ok(())
}

async fn missing_bucket(endpoint: String) -> Outcome {
    let store = open(config("haul-no-such-bucket", &endpoint)).await;
    fails(&store, ErrorKind::NotFound, &["no such bucket"]).await;
    let begun = Instant::now();
    let etag = storage_core::ETag::new("\"17\"");
    let target = DeleteTarget::new(key("k")).if_match(etag);
    let deleted = store.delete(target).await.expect_err("no success");
    check(&deleted, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    let copied = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("no success");
    check(&copied, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    let options = WriteOptions::new().if_absent();
    let write = store.write(&key("k"), "x", options).await.expect_err("no success");
    check(&write, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    let cleaned = store.cleanup(&Prefix::root()).await.expect_err("no success");
    check(&cleaned, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    Ok(())
}

async fn reader(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    place.store(|c| c).await?.write(&key("k"), "x", WriteOptions::new()).await?;
    let store = place.store(|c| c.credentials(Credentials::Token("ya29.reader".into()))).await?;
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    let denied = ErrorKind::PermissionDenied;
    let begun = Instant::now();
    let words = ["does not have access"];
    for content in [body(1), body(9 << 20)] {
        let write = store.write(&key("k"), content, WriteOptions::new()).await.expect_err("no success");
        check(&write, begun.elapsed(), denied, &words);
    }
    let copy = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("no success");
    check(&copy, begun.elapsed(), denied, &words);
    let deleted = store.delete(DeleteTarget::new(key("k"))).await.expect_err("no success");
    check(&deleted, begun.elapsed(), denied, &words);
    for (_, result) in store.delete_all([key("k"), key("l")].map(DeleteTarget::new)).await {
        check(&result.expect_err("no success"), begun.elapsed(), denied, &words);
    }
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    Ok(())
}

/// Whoever knows the name of a session may write to it, and gateways quote what they cannot pass on.
async fn no_session(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for (status, kind) in [(400, ErrorKind::Other), (404, ErrorKind::NotFound), (410, ErrorKind::NotFound)] {
        for text in [
            "cannot PUT /upload/storage/v1/b/b/o?uploadType=resumable&upload_id=hunter2hunter2",
            r#"{"error":{"message":"cannot PUT /upload/storage/v1/b/b/o?upload_id=hunter2hunter2&x=y"}}"#,
            r#"{"error":{"message":"no URL /upload/storage/v1/b/b/o?x&upload_id=hunter2hunter2","errors":[{"reason":"r"}]}}"#,
        ] {
            for wanted in [Call::Part, Call::Finish] {
                let proxy = place.proxy();
                let store = place.through(&proxy, |c| c).await?;
                let rule = Rule::new(Fault::Answer(Answer::new(status).body(text)));
                proxy.set(Plan::new().rule(rule.only(move |request| call(request) == Some(wanted))));
                let options = WriteOptions::new().part_size(1 << 20);
                let failed = store.write(&key("k"), body(9 << 20), options).await.expect_err("no success");
                assert_eq!(failed.kind(), kind, "{failed}");
                let shown = shown(&failed);
                assert!(!shown.contains(SECRET), "{shown}");
            }
        }
    }
    // Where the connection is refused, the URL was part of the words of the HTTP client.
    let proxy = place.proxy();
    let policy = RetryPolicy::default().attempts(1);
    let store = place.through(&proxy, |c| c).await?.with_retry(policy);
    proxy.set(Plan::new().rule(Rule::new(Fault::ResetBefore).method("PUT")));
    let failed = store.write(&key("k"), body(9 << 20), WriteOptions::new()).await.expect_err("no success");
    check(&failed, Duration::ZERO, ErrorKind::Unavailable, &["the connection broke"]);
    assert_eq!(proxy.unmet(), [""; 0]);
    Ok(())
}

/// The status has said it already.
async fn broken_off(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for after in [0, 1, 30] {
        let proxy = place.proxy();
        let store = place.through(&proxy, |c| c).await?;
        let cut = Fault::CutBody { after, close: Close::Reset };
        proxy.set(Plan::new().rule(Rule::new(cut)));
        for found in [
            store.stat(&key("k"), StatOptions::new()).await.map(drop),
            store.read(&key("k"), ReadOptions::new()).await.map(drop),
            store.copy(&key("k"), &key("l"), CopyOptions::new()).await.map(drop),
        ] {
            let failed = found.expect_err("there is none");
            assert_eq!(failed.kind(), ErrorKind::NotFound, "{failed}");
        }
        store.delete(key("k")).await?;
        assert_eq!(proxy.unmet(), [""; 0]);
    }
    Ok(())
}

async fn closed_port() -> Outcome {
    // Bound once, so that nobody else has it, and closed again.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let store = open(settings(&format!("http://{address}"))).await;
    let write = fails(&store, ErrorKind::Unavailable, &["no connection", "endpoint", "refused"]).await;
    assert!(!write.may_have_been_applied(), "{write}");
    Ok(())
}

/// A listener whose queue is full drops what comes, as a firewall does.
pub(crate) async fn full_queue() -> std::io::Result<(TcpListener, Vec<TcpStream>, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    let listener = socket.listen(0)?;
    let address = listener.local_addr()?;
    let mut queue = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queue.push(connected?);
        assert!(queue.len() < 100, "the queue takes everybody");
    }
    Ok((listener, queue, address))
}

async fn black_hole() -> Outcome {
    let (_listener, _queue, address) = full_queue().await?;
    let store = open(settings(&format!("http://{address}"))).await;
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    check(&read, begun.elapsed(), ErrorKind::TimedOut, &["no connection", "endpoint"]);
    let begun = Instant::now();
    let write = store.write(&key("k"), "x", WriteOptions::new()).await.expect_err("no success");
    check(&write, begun.elapsed(), ErrorKind::TimedOut, &["no connection", "endpoint"]);
    assert!(!write.may_have_been_applied(), "{write}");
    Ok(())
}

/// A connection stands, so that only silence tells: its limit is the user's.
async fn silent() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let store = open(settings(&format!("http://{}", listener.local_addr()?))).await;
    let timeouts = Timeouts::default().silence(Duration::from_millis(300));
    let store = store.with_timeouts(timeouts).with_retry(RetryPolicy::default().attempts(2));
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    check(&read, begun.elapsed(), ErrorKind::TimedOut, &["no answer within 300ms", "2 attempts"]);
    let write = store.write(&key("k"), "x", WriteOptions::new()).await.expect_err("no success");
    check(&write, begun.elapsed(), ErrorKind::TimedOut, &["no answer"]);
    assert!(write.may_have_been_applied(), "{write}");
    Ok(())
}

async fn no_such_host() -> Outcome {
    let store = open(settings("http://nowhere.invalid")).await;
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    check(&read, begun.elapsed(), ErrorKind::Unavailable, &["no connection", "endpoint"]);
    Ok(())
}

async fn web_site() -> Outcome {
    let html = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>to our site</body></html>";
    for status in [200, 404, 405] {
        let answer = Answer::new(status).header("content-type", "text/html").body(html);
        let proxy = answers(answer);
        let store = open(settings(&format!("http://{}", proxy.address()))).await;
        fails(&store, ErrorKind::InvalidConfig, &["not Google Cloud Storage", "endpoint"]).await;
        let begun = Instant::now();
        let copied = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("no success");
        check(&copied, begun.elapsed(), ErrorKind::InvalidConfig, &["endpoint"]);
        let exists = store.exists(&key("k")).await.expect_err("nobody knows");
        check(&exists, begun.elapsed(), ErrorKind::InvalidConfig, &["endpoint"]);
    }
    Ok(())
}

/// That there is no such page says nothing of an object, least of all that it was deleted.
async fn other_server() -> Outcome {
    for (kind, text) in [("text/plain", "404 page not found"), ("application/json", r#"{"detail":"none"}"#)] {
        let proxy = answers(Answer::new(404).header("content-type", kind).body(text));
        let store = open(settings(&format!("http://{}", proxy.address()))).await;
        fails(&store, ErrorKind::InvalidConfig, &["not Google Cloud Storage", "endpoint"]).await;
    }
    let redirect =
        answers(Answer::new(302).header("location", "https://login.example/?token=hunter2hunter2"));
    let store = open(settings(&format!("http://{}", redirect.address()))).await;
    fails(&store, ErrorKind::InvalidConfig, &["points elsewhere", "endpoint"]).await;
    Ok(())
}

/// Everything is answered like this.
fn answers(answer: Answer) -> Proxy {
    let proxy = Proxy::http(NOWHERE).expect("a port");
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(answer))));
    proxy
}

async fn no_url() -> Outcome {
    for endpoint in [
        "localhost:9000",
        "https://",
        "ftp://host",
        "",
        "http://us er",
        "http://host:port",
        "https://key:hunter2hunter2@host/",
        "https://host/?token=hunter2hunter2",
    ] {
        let error = Gcs::open(settings(endpoint)).await.map(drop).expect_err(endpoint);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["`endpoint`", "https://"]);
    }
    Ok(())
}

async fn customer_key() -> Outcome {
    for wrong in [SECRET, "", "YWJj", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="] {
        let opened = Gcs::open(settings("http://localhost").customer_key(wrong)).await;
        let error = opened.map(drop).expect_err(wrong);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["`customer_key`", "32 bytes"]);
    }
    Ok(())
}

async fn ca_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (empty, broken) = (folder.path().join("empty.pem"), folder.path().join("broken.pem"));
    std::fs::write(&empty, "")?;
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")?;
    for (path, words) in [
        (folder.path().join("none.pem"), "cannot be read"),
        (folder.path().to_owned(), "cannot be read"),
        (empty, "holds no PEM certificate"),
        (broken, "cannot be used"),
    ] {
        let opened = Gcs::open(settings("https://localhost").ca_file(&path)).await;
        let error = opened.map(drop).expect_err("no success");
        let words = ["`ca_file`", &path.to_string_lossy(), words];
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &words);
    }
    Ok(())
}

/// The service says in a line what is wrong; who says it in a megabyte is somebody else.
async fn long() -> Outcome {
    let text = "so it is \n\r\t\u{1b}[31m".repeat(100_000);
    let json =
        serde_json::json!({ "error": { "message": text, "errors": [{ "reason": "r".repeat(100_000) }] } });
    for body in [text.clone(), json.to_string(), format!("<Error><Code>{text}</Code><Message>{text}")] {
        let proxy = answers(Answer::new(400).body(body));
        let store = open(settings(&format!("http://{}", proxy.address()))).await;
        let begun = Instant::now();
        let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        check(&read, begun.elapsed(), ErrorKind::Other, &[]);
    }
    Ok(())
}

/// Whoever sends for ever is not listened to for ever.
async fn endless() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4096]).await;
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await;
                let blanks = vec![b' '; 1 << 20];
                while client.write_all(&blanks).await.is_ok() {}
            });
        }
    });
    let store = open(settings(&format!("http://{address}"))).await;
    let begun = Instant::now();
    let stat = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
    check(&stat, begun.elapsed(), ErrorKind::InvalidData, &["does not end"]);
    let begun = Instant::now();
    let deleted = store.delete(key("k")).await.expect_err("no success");
    check(&deleted, begun.elapsed(), ErrorKind::InvalidConfig, &["endpoint"]);
    Ok(())
}

/// What cannot be understood is no time, and more than anybody waits is an error.
async fn waits() -> Outcome {
    for wait in
        ["18446744073709551615", "9223372036854775807", "-1", "1e3", "", "Fri, 31 Dec 9999 23:59:59 GMT"]
    {
        let proxy = answers(Answer::new(503).header("retry-after", wait));
        let store = open(settings(&format!("http://{}", proxy.address()))).await;
        let policy = RetryPolicy::default().attempts(3).budget(Duration::from_secs(5));
        let store = store.with_retry(policy);
        let begun = Instant::now();
        let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        check(&read, begun.elapsed(), ErrorKind::Unavailable, &["503"]);
        let deleted = store.delete(DeleteTarget::new(key("k"))).await.expect_err("no success");
        check(&deleted, begun.elapsed(), ErrorKind::Unavailable, &["503"]);
    }
    Ok(())
}
