//! What goes wrong before a service works, as its user reads it: one line that says what to do, soon, without secrets.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use libtest_mimic::Trial;
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{
    CopyOptions, DeleteTarget, Error, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, SignRequest,
    SignedMethod, StatOptions, Store, Timeouts, Version, WriteOptions,
};
use storage_s3::{Config, Credentials, S3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::run::{NOWHERE, Outcome, Place, alone, body, key, on, test};
use crate::support::{CEPH, SEAWEEDFS, config};
use crate::tls;

/// Nobody waits longer than this for the news that nothing works.
const SOON: Duration = Duration::from_secs(15);
const SECRET: &str = "hunter2hunter2";
const TOKEN: &str = "tokentokentoken";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(SEAWEEDFS, "errors/wrong-access-key", wrong_access_key),
        on(SEAWEEDFS, "errors/wrong-secret", wrong_secret),
        on(CEPH, "errors/wrong-secret-on-ceph", wrong_secret),
        on(CEPH, "errors/wrong-access-key-on-ceph", wrong_access_key),
        on(CEPH, "errors/missing-bucket", missing_bucket),
        on(SEAWEEDFS, "errors/a-reader-cannot-write", reader),
        test("errors/closed-port", closed_port),
        test("errors/black-hole", black_hole),
        test("errors/a-server-that-never-answers", silent),
        test("errors/no-such-host", no_such_host),
        test("errors/untrusted-certificate", untrusted),
        on(SEAWEEDFS, "errors/certificate-of-ca-file", trusted),
        test("errors/ca-file-that-is-none", ca_file),
        test("errors/no-tls-where-tls-is-asked-for", no_tls),
        test("errors/endpoint-that-is-a-web-site", web_site),
        test("errors/endpoint-that-is-no-url", no_url),
        test("errors/clock", clock),
        test("errors/expired-token", expired),
        test("errors/wrong-region", region),
        test("errors/wrong-region-of-a-signature", region_of_signature),
        test("errors/no-credentials", no_credentials),
        test("errors/a-giver-of-keys-that-never-answers", silent_giver),
        test("errors/no-such-profile", no_profile),
        test("errors/a-profile-goes-before-the-environment", profile_first),
    ]
}

fn settings(endpoint: &str) -> Config {
    let (id, secret, token) = ("AKIAEXAMPLE".to_owned(), SECRET.into(), Some(TOKEN.into()));
    Config::new("bucket").endpoint(endpoint).credentials(Credentials::Keys { id, secret, token })
}

async fn open(config: Config) -> Store {
    Store::new(S3::open(config).await.expect("a store"))
}

/// Fails soon, in one line, with this kind and these words in it, whatever is asked for.
async fn fails(store: &Store, kind: ErrorKind, words: &[&str]) -> Error {
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("no success");
    check(&read, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let write = store.write(&key("k"), "x", WriteOptions::new()).await.map(drop).expect_err("no success");
    check(&write, begun.elapsed(), kind, words);
    assert!(!write.may_have_been_applied(), "{write}");
    let begun = Instant::now();
    let deleted = store.delete_all([key("a"), key("b")].map(DeleteTarget::new)).await;
    for (_, result) in deleted {
        check(&result.expect_err("no success"), begun.elapsed(), kind, words);
    }
    read
}

fn check(error: &Error, took: Duration, kind: ErrorKind, words: &[&str]) {
    let line = error.to_string();
    assert_eq!(error.kind(), kind, "{line}");
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {line}");
    }
    assert!(took < SOON, "{took:?}: {line}");
    assert!(!line.contains('\n'), "{line}");
    assert!(line.len() < 400, "{line}");
    let mut shown = format!("{line} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    for secret in [SECRET, TOKEN, "SKTEST", "X-Amz-Signature", "Signature="] {
        assert!(!shown.contains(secret), "`{secret}` in: {shown}");
    }
}

async fn wrong_access_key(endpoint: String) -> Outcome {
    let store = open(settings(&endpoint)).await;
    let without_token = Credentials::Keys { id: "AKIAEXAMPLE".into(), secret: SECRET.into(), token: None };
    fails(&store, ErrorKind::Unauthenticated, &["access key"]).await;
    let store = open(settings(&endpoint).credentials(without_token)).await;
    fails(&store, ErrorKind::Unauthenticated, &["access key"]).await;
    Ok(())
}

async fn wrong_secret(endpoint: String) -> Outcome {
    Place::new(&endpoint).await;
    let wrong = Credentials::Keys { id: "AKTEST".into(), secret: SECRET.into(), token: None };
    let store = open(config("haul", &endpoint).credentials(wrong)).await;
    fails(&store, ErrorKind::Unauthenticated, &["secret", "wrong"]).await;
    // The answer to a HEAD has no body that could tell which.
    let stat = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
    check(&stat, Duration::ZERO, ErrorKind::Unauthenticated, &["secret", "wrong"]);
    Ok(())
}

/// SeaweedFS makes a bucket for who may.
async fn missing_bucket(endpoint: String) -> Outcome {
    let store = open(config("haul-no-such-bucket", &endpoint)).await;
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    check(&read, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    let write = store.write(&key("k"), "x", WriteOptions::new()).await.expect_err("no success");
    check(&write, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    let deleted = store.delete(DeleteTarget::new(key("k"))).await.expect_err("no success");
    check(&deleted, begun.elapsed(), ErrorKind::NotFound, &["no such bucket"]);
    Ok(())
}

async fn reader(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    place.store(|c| c).await?.write(&key("k"), "x", WriteOptions::new()).await?;
    let keys = Credentials::Keys { id: "AKREAD".into(), secret: "SKREAD".into(), token: None };
    let store = place.store(|c| c.credentials(keys)).await?;
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    let denied = ErrorKind::PermissionDenied;
    let begun = Instant::now();
    let write = store.write(&key("k"), "y", WriteOptions::new()).await.expect_err("no success");
    check(&write, begun.elapsed(), denied, &["AccessDenied"]);
    let large = store.write(&key("k"), body(9 << 20), WriteOptions::new()).await.expect_err("no success");
    check(&large, begun.elapsed(), denied, &["AccessDenied"]);
    let copy = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("no success");
    check(&copy, begun.elapsed(), denied, &["AccessDenied"]);
    let deleted = store.delete(DeleteTarget::new(key("k"))).await.expect_err("no success");
    check(&deleted, begun.elapsed(), denied, &["AccessDenied"]);
    // SeaweedFS has 200 and an error for each key.
    let many = [key("k"), key("l"), key("m")].map(DeleteTarget::new);
    for (_, result) in store.delete_all(many).await {
        check(&result.expect_err("no success"), begun.elapsed(), denied, &["AccessDenied"]);
    }
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    Ok(())
}

async fn closed_port() -> Outcome {
    // Bound once, so that nobody else has it, and closed again.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let store = open(settings(&format!("http://{address}"))).await;
    fails(&store, ErrorKind::Unavailable, &["no connection", "endpoint", "refused"]).await;
    Ok(())
}

/// A listener whose queue is full drops what comes, as a firewall does.
async fn full_queue() -> std::io::Result<(TcpListener, Vec<TcpStream>, SocketAddr)> {
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
    let retry = RetryPolicy::default().attempts(2);
    let store = store.with_timeouts(timeouts).with_retry(retry);
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
    fails(&store, ErrorKind::Unavailable, &["no connection", "endpoint"]).await;
    Ok(())
}

async fn untrusted() -> Outcome {
    let front = tls::front(NOWHERE).await;
    let store = open(settings(&format!("https://localhost:{}", front.port()))).await;
    fails(&store, ErrorKind::Unavailable, &["certificate", "`ca_file`"]).await;
    Ok(())
}

/// Behind TLS bodies are not signed: every way of writing is tried.
async fn trusted(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let server: SocketAddr = endpoint.trim_start_matches("http://").parse()?;
    let front = tls::front(server).await;
    let store = place
        .at(&format!("https://localhost:{}", front.port()), |c| c.ca_file(tls::file("authority.pem")))
        .await?;
    let large = body(12 << 20);
    for content in [Vec::new(), body(1000), large] {
        store.write(&key("k"), content.clone(), WriteOptions::new()).await?;
        assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == content, "{}", content.len());
    }
    store.copy(&key("k"), &key("l"), CopyOptions::new()).await?;
    store.delete_all([key("k"), key("l")].map(DeleteTarget::new)).await;
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
        let opened = S3::open(settings("https://localhost").ca_file(&path)).await;
        let error = opened.map(drop).expect_err("no success");
        check(
            &error,
            Duration::ZERO,
            ErrorKind::InvalidConfig,
            &["`ca_file`", &path.to_string_lossy(), words],
        );
    }
    Ok(())
}

/// Always the same answer, whatever is asked.
async fn server(answer: &'static str) -> Result<SocketAddr, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4096]).await;
                let _ = client.write_all(answer.as_bytes()).await;
                let _ = client.shutdown().await;
            });
        }
    });
    Ok(address)
}

async fn no_tls() -> Outcome {
    let address = server("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
    let store = open(settings(&format!("https://{address}"))).await;
    fails(&store, ErrorKind::Unavailable, &["no connection", "endpoint"]).await;
    Ok(())
}

async fn web_site() -> Outcome {
    let html = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>to our site</body></html>";
    for status in [200, 404, 405] {
        let proxy = answers(Answer::new(status).header("content-type", "text/html").body(html));
        let store = open(settings(&format!("http://{}", proxy.address()))).await;
        let begun = Instant::now();
        let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        check(&read, begun.elapsed(), ErrorKind::InvalidConfig, &["no S3 service", "endpoint"]);
        for content in [body(10), body(9 << 20)] {
            let write = store.write(&key("k"), content, WriteOptions::new()).await.expect_err("no success");
            check(&write, begun.elapsed(), ErrorKind::InvalidConfig, &["no S3 service", "endpoint"]);
        }
        let mut listing = store.list(&Prefix::root(), ListOptions::new());
        let listed = listing.next().await.expect("an entry or an error").expect_err("no success");
        check(&listed, begun.elapsed(), ErrorKind::InvalidConfig, &["no S3 service", "endpoint"]);
    }
    Ok(())
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
    ] {
        let opened = S3::open(settings(endpoint)).await.map(drop);
        let error = opened.expect_err(endpoint);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["`endpoint`", "https://"]);
    }
    Ok(())
}

/// Everything is answered like this.
fn answers(answer: Answer) -> Proxy {
    let proxy = Proxy::http(NOWHERE).expect("a port");
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(answer))));
    proxy
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(status).body(format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

async fn clock() -> Outcome {
    let message = "The difference between the request time and the current time is too large.";
    let proxy = answers(refusal(403, "RequestTimeTooSkewed", message));
    let store = open(settings(&format!("http://{}", proxy.address()))).await;
    fails(&store, ErrorKind::Unauthenticated, &["the clock of this machine is wrong", message]).await;
    Ok(())
}

async fn expired() -> Outcome {
    let proxy = answers(refusal(400, "ExpiredToken", "The provided token has expired."));
    let store = open(settings(&format!("http://{}", proxy.address()))).await;
    let words = ["the credentials have expired; get new ones"];
    fails(&store, ErrorKind::Unauthenticated, &words).await;
    let stat = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
    check(&stat, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    // A version that no service can read is 400 as well, and is no version.
    let store = open(settings(&format!("http://{}", proxy.address())).versions(true)).await;
    let version = || Version::new("v");
    let deleted = store.delete(DeleteTarget::new(key("k")).version(version())).await.expect_err("no success");
    check(&deleted, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    let read = store.read(&key("k"), ReadOptions::new().version(version())).await.expect_err("no success");
    check(&read, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    let stat = store.stat(&key("k"), StatOptions::new().version(version())).await.expect_err("no success");
    check(&stat, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    let options = CopyOptions::new().source_version(version());
    let copied = store.copy(&key("k"), &key("l"), options).await.expect_err("no success");
    check(&copied, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    Ok(())
}

async fn region() -> Outcome {
    let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
    let answer = refusal(301, "PermanentRedirect", message).header("x-amz-bucket-region", "eu-west-3");
    let proxy = answers(answer);
    let store = open(settings(&format!("http://{}", proxy.address()))).await;
    fails(&store, ErrorKind::InvalidConfig, &["`region=eu-west-3`"]).await;
    // A HEAD has no body, and the header alone tells.
    let stat = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
    check(&stat, Duration::ZERO, ErrorKind::InvalidConfig, &["`region=eu-west-3`"]);
    Ok(())
}

async fn region_of_signature() -> Outcome {
    let message =
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'";
    let proxy = answers(
        Answer::new(400)
            .header("x-amz-bucket-region", "eu-west-3")
            .body(format!("<Error><Code>AuthorizationHeaderMalformed</Code><Message>{message}</Message><Region>eu-west-3</Region></Error>")),
    );
    let store = open(settings(&format!("http://{}", proxy.address()))).await;
    fails(&store, ErrorKind::InvalidConfig, &["`region=eu-west-3`"]).await;
    Ok(())
}

/// The last that is asked for keys is the metadata service of a machine, which mostly is not there.
async fn no_credentials() -> Outcome {
    let home = tempfile::tempdir()?;
    let (_listener, _queue, address) = full_queue().await?;
    let nobody = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"))];
    if alone("errors/no-credentials", home.path(), &nobody)?.is_some() {
        return Ok(());
    }
    let begun = Instant::now();
    let store = open(Config::new("bucket").endpoint(format!("http://{NOWHERE}"))).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "opening took {:?}", begun.elapsed());
    let words = ["no usable credentials", "AWS_ACCESS_KEY_ID", "`anonymous=true`"];
    fails(&store, ErrorKind::Unauthenticated, &words).await;
    Ok(())
}

/// Its silence is told as what it is, long before that of a service would be.
async fn silent_giver() -> Outcome {
    let home = tempfile::tempdir()?;
    let giver = TcpListener::bind("127.0.0.1:0").await?;
    let nobody = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/keys", giver.local_addr()?)),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    if alone("errors/a-giver-of-keys-that-never-answers", home.path(), &nobody)?.is_some() {
        return Ok(());
    }
    let store = open(Config::new("bucket").endpoint(format!("http://{NOWHERE}"))).await;
    let begun = Instant::now();
    let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {read}", begun.elapsed());
    assert_eq!(read.kind(), ErrorKind::Unauthenticated, "{read}");
    Ok(())
}

async fn no_profile() -> Outcome {
    let home = tempfile::tempdir()?;
    std::fs::create_dir(home.path().join(".aws"))?;
    std::fs::write(home.path().join(".aws/config"), "[profile somebody]\nregion = eu-9\n")?;
    if alone("errors/no-such-profile", home.path(), &[])?.is_some() {
        return Ok(());
    }
    for _ in 0..2 {
        let error = S3::open(profile("nobody")).await.expect_err("no success");
        check(&error, Duration::ZERO, ErrorKind::Unauthenticated, &["the profile `nobody`", "exist"]);
    }
    Ok(())
}

/// Who names a profile does not mean the keys of the environment.
async fn profile_first() -> Outcome {
    let home = tempfile::tempdir()?;
    std::fs::create_dir(home.path().join(".aws"))?;
    let keys = format!(
        "[somebody]\naws_access_key_id = AKPROFILE\naws_secret_access_key = {SECRET}\nregion = eu-9\n"
    );
    std::fs::write(home.path().join(".aws/credentials"), keys)?;
    let others = [
        ("AWS_ACCESS_KEY_ID", "AKENVIRONMENT".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "other".to_owned()),
        ("AWS_REGION", "us-9".to_owned()),
    ];
    if alone("errors/a-profile-goes-before-the-environment", home.path(), &others)?.is_some() {
        return Ok(());
    }
    let store = open(profile("somebody")).await;
    let request = SignRequest::new(SignedMethod::Get, Duration::from_secs(60));
    let signed = store.presign(&key("k"), request).await?;
    assert!(signed.url.reveal().contains("AKPROFILE"), "signed with another key");
    // A region that the environment names is as deliberate as with the vendor's tools.
    assert!(signed.url.reveal().contains("us-9"), "signed for another region");
    Ok(())
}

fn profile(name: &str) -> Config {
    Config::new("bucket")
        .endpoint(format!("http://{NOWHERE}"))
        .credentials(Credentials::Profile(name.to_owned()))
}
