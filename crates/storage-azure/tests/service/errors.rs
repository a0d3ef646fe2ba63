//! What goes wrong before a service works, as its user reads it: one line that says what to do, soon, without secrets.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use libtest_mimic::Trial;
use storage_azure::{Azure, Config, Credentials};
use storage_conformance::proxy::Answer;
use storage_core::{
    CopyOptions, DeleteTarget, Error, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, SignedMethod,
    StatOptions, Store, Timeouts, Version, WriteOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::run::{NOWHERE, Outcome, Place, alone, answers, behind, body, key, on, test};
use crate::support::{ACCOUNT, AZURITE, CONTAINER, KEY, TLS, config};

/// Nobody waits longer than this for the news that nothing works.
const SOON: Duration = Duration::from_secs(15);
/// Base64, as keys are.
const SECRET: &str = "aHVudGVyMmh1bnRlcjI=";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "errors/wrong-key", wrong_key),
        test("errors/wrong-key-in-azures-words", wrong_key_of_azure),
        test("errors/key-that-is-no-base64", no_base64),
        on(AZURITE, "errors/tampered-sas", tampered),
        test("errors/expired-sas", expired),
        on(AZURITE, "errors/missing-container", missing_container),
        on(AZURITE, "errors/a-reader-cannot-write", reader),
        on(AZURITE, "errors/account-that-is-not-there", nobody),
        test("errors/container-names", containers),
        test("errors/closed-port", closed_port),
        test("errors/black-hole", black_hole),
        test("errors/a-server-that-never-answers", silent),
        test("errors/no-such-host", no_such_host),
        on(TLS, "errors/untrusted-certificate", untrusted),
        test("errors/ca-file-that-is-none", ca_file),
        test("errors/no-tls-where-tls-is-asked-for", no_tls),
        test("errors/endpoint-that-is-a-web-site", web_site),
        test("errors/endpoint-that-is-no-url", no_url),
        test("errors/tokens-travel-encrypted", token_in_the_clear),
        test("errors/connection-string-without-account", connection_string),
        test("errors/clock", clock),
        test("errors/malformed-credentials-are-no-missing-version", malformed),
        test("errors/no-account", no_account),
        test("errors/no-credentials", no_credentials),
        test("errors/debug-shows-no-secret", debug),
    ]
}

fn settings(endpoint: &str) -> Config {
    config("container", endpoint).credentials(Credentials::AccountKey(SECRET.into()))
}

async fn open(config: Config) -> Store {
    Store::new(Azure::open(config).await.expect("a store"))
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
    let large = body(9 << 20);
    let parts = store.write(&key("k"), large, WriteOptions::new()).await.map(drop).expect_err("no success");
    check(&parts, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let mut listing = store.list(&Prefix::root(), ListOptions::new());
    let listed = listing.next().await.expect("an entry or an error").expect_err("no success");
    check(&listed, begun.elapsed(), kind, words);
    let begun = Instant::now();
    let deleted = store.delete_all([key("a"), key("b")].map(DeleteTarget::new)).await;
    for (_, result) in deleted {
        check(&result.expect_err("no success"), begun.elapsed(), kind, words);
    }
    let begun = Instant::now();
    let copied = store.copy(&key("a"), &key("b"), CopyOptions::new()).await.expect_err("no success");
    check(&copied, begun.elapsed(), kind, &[]);
    read
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
    let mut shown = format!("{line} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    no_secret(&shown);
}

fn no_secret(shown: &str) {
    let shown = shown.replace("sig=***", "");
    for secret in [SECRET, &KEY[..16], "hunter2", "sig=", "eyJ"] {
        assert!(!shown.contains(secret), "`{secret}` in: {shown}");
    }
}

/// Azurite has a name of its own for it, which is Azure's for what a network rule forbids.
async fn wrong_key(endpoint: String) -> Outcome {
    let store = open(settings(&endpoint)).await;
    fails(&store, ErrorKind::PermissionDenied, &["AuthorizationFailure", "check"]).await;
    Ok(())
}

fn refusal(status: u16, code: &str, message: &str, more: &str) -> Answer {
    Answer::new(status).header("x-ms-error-code", code).header("x-ms-request-id", "1").body(format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}\n\
         RequestId:9f\nTime:2026</Message>{more}</Error>"
    ))
}

async fn wrong_key_of_azure() -> Outcome {
    let message = "Server failed to authenticate the request. Make sure the value of Authorization header is \
                   formed correctly including the signature.";
    let detail = "<AuthenticationErrorDetail>The MAC signature found in the HTTP request 'hunter2hunter2=' is not \
                  the same as any computed signature.</AuthenticationErrorDetail>";
    for status in [401, 403] {
        let proxy = answers(refusal(status, "AuthenticationFailed", message, detail));
        let store = open(settings(&behind(&proxy))).await;
        fails(&store, ErrorKind::Unauthenticated, &["check account, key"]).await;
    }
    Ok(())
}

async fn no_base64() -> Outcome {
    for wrong in ["hunter2!", "hunter2hunter2 hunter2", ""] {
        let config = config("container", "http://127.0.0.1:9/me");
        let opened = Azure::open(config.credentials(Credentials::AccountKey(wrong.into()))).await;
        let error = opened.map(drop).expect_err(wrong);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["`account_key`", "whole key"]);
    }
    Ok(())
}

async fn tampered(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let sas = place.permit(SignedMethod::Put, "k").await?;
    for wrong in [sas.replace("sig=", "sig=A"), sas.replace("sp=cw", "sp=rcw"), sas.replace("se=2", "se=1")] {
        let store = open(config(CONTAINER, &endpoint).credentials(Credentials::Sas(wrong.into()))).await;
        fails(&store, ErrorKind::PermissionDenied, &["AuthorizationFailure", "check"]).await;
    }
    Ok(())
}

async fn expired() -> Outcome {
    let message = "Server failed to authenticate the request.";
    let detail = "<AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [Sat] - Expiry \
                  [Sun] - Current [Mon]</AuthenticationErrorDetail>";
    let proxy = answers(refusal(403, "AuthenticationFailed", message, detail));
    let sas = "sv=2023-11-03&se=2020-01-01T00:00:00Z&sp=r&sr=c&sig=hunter2hunter2";
    let store = open(settings(&behind(&proxy)).credentials(Credentials::Sas(sas.into()))).await;
    fails(&store, ErrorKind::Unauthenticated, &["expired; get new ones"]).await;
    Ok(())
}

async fn missing_container(endpoint: String) -> Outcome {
    let azure = Azure::open(config("haul-no-such-container", &endpoint)).await?;
    let appended = azure.append(&key("k"), "x").await.expect_err("no success");
    check(&appended, Duration::ZERO, ErrorKind::NotFound, &["no such container", "`k`"]);
    let store = Store::new(azure);
    fails(&store, ErrorKind::NotFound, &["no such container"]).await;
    let stat = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
    check(&stat, Duration::ZERO, ErrorKind::NotFound, &["no such container"]);
    let begun = Instant::now();
    let etag = storage_core::ETag::new("\"0x1\"");
    for options in [WriteOptions::new().if_absent(), WriteOptions::new().if_match(etag.clone())] {
        let write = store.write(&key("k"), "x", options.clone()).await.expect_err("no success");
        check(&write, begun.elapsed(), ErrorKind::NotFound, &["no such container"]);
        let large = store.write(&key("k"), body(9 << 20), options).await.expect_err("no success");
        check(&large, begun.elapsed(), ErrorKind::NotFound, &["no such container"]);
    }
    let target = DeleteTarget::new(key("k")).if_match(etag);
    let deleted = store.delete(target).await.expect_err("no success");
    check(&deleted, begun.elapsed(), ErrorKind::NotFound, &["no such container"]);
    Ok(())
}

async fn reader(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    place.store(|c| c).await?.write(&key("k"), "x", WriteOptions::new()).await?;
    let sas = place.permit(SignedMethod::Get, "k").await?;
    // As a portal shows it, and as others do.
    for sas in [sas.clone(), format!("?{sas}"), format!("{sas}\n")] {
        let store = place.store(|c| c.credentials(Credentials::Sas(sas.into()))).await?;
        assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
        let (denied, begun) = (ErrorKind::PermissionDenied, Instant::now());
        for options in [WriteOptions::new(), WriteOptions::new().if_absent()] {
            let write = store.write(&key("k"), "y", options.clone()).await.expect_err("no success");
            check(&write, begun.elapsed(), denied, &["AuthorizationPermissionMismatch", "permission"]);
            let large = store.write(&key("k"), body(9 << 20), options).await.expect_err("no success");
            check(&large, begun.elapsed(), denied, &["permission"]);
        }
        let copy = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("no success");
        check(&copy, begun.elapsed(), denied, &[]);
        for (_, result) in store.delete_all([DeleteTarget::new(key("k"))]).await {
            check(&result.expect_err("no success"), begun.elapsed(), denied, &["permission"]);
        }
        let exists = store.exists(&key("other")).await.expect_err("who may not look does not know");
        check(&exists, begun.elapsed(), denied, &[]);
        assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    }
    Ok(())
}

async fn nobody(endpoint: String) -> Outcome {
    let store = open(config(CONTAINER, &endpoint).credentials(Credentials::Anonymous)).await;
    fails(&store, ErrorKind::PermissionDenied, &["check"]).await;
    Ok(())
}

/// What is no name of a container leads elsewhere: `..` to the account.
async fn containers() -> Outcome {
    for wrong in ["", "..", ".", "a/b", "Upper", "under_score", "ab", "a b", "-abc", "a--b", &"a".repeat(64)]
    {
        let config = config(wrong, "http://127.0.0.1:9/me");
        let error = Azure::open(config).await.map(drop).expect_err(wrong);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["container", "3 to 63"]);
    }
    for fine in ["$root", "$web", "$logs", "abc", "1-2", &"a".repeat(63)] {
        Azure::open(config(fine, "http://127.0.0.1:9/me")).await?;
    }
    Ok(())
}

async fn closed_port() -> Outcome {
    // Bound once, so that nobody else has it, and closed again.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let store = open(settings(&format!("http://{address}/me"))).await;
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
    let store = open(settings(&format!("http://{address}/me"))).await;
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
    let store = open(settings(&format!("http://{}/me", listener.local_addr()?))).await;
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

async fn untrusted(endpoint: String) -> Outcome {
    let store = open(settings(&endpoint)).await;
    fails(&store, ErrorKind::Unavailable, &["certificate", "`ca_file`"]).await;
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
        let opened = Azure::open(settings("https://localhost").ca_file(&path)).await;
        let error = opened.map(drop).expect_err("no success");
        let words = ["`ca_file`", &path.to_string_lossy(), words];
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &words);
    }
    Ok(())
}

async fn no_tls() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4096]).await;
                let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                let _ = client.shutdown().await;
            });
        }
    });
    let store = open(settings(&format!("https://{address}/me"))).await;
    fails(&store, ErrorKind::Unavailable, &["no connection", "endpoint"]).await;
    Ok(())
}

async fn web_site() -> Outcome {
    let html = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>to our site</body></html>";
    for status in [200, 404, 405] {
        let proxy = answers(Answer::new(status).header("content-type", "text/html").body(html));
        let store = open(settings(&behind(&proxy))).await;
        let (begun, kind) = (Instant::now(), ErrorKind::InvalidConfig);
        let words = ["no Azure Blob Storage", "endpoint"];
        let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        check(&read, begun.elapsed(), kind, &words);
        let exists = store.exists(&key("k")).await.expect_err("no success");
        check(&exists, begun.elapsed(), kind, &words);
        for content in [body(10), body(9 << 20)] {
            let write = store.write(&key("k"), content, WriteOptions::new()).await.expect_err("no success");
            check(&write, begun.elapsed(), kind, &words);
        }
        let mut listing = store.list(&Prefix::root(), ListOptions::new());
        let listed = listing.next().await.expect("an entry or an error").expect_err("no success");
        check(&listed, begun.elapsed(), kind, &words);
        let deleted = store.delete(DeleteTarget::new(key("k"))).await.expect_err("nobody deleted it");
        check(&deleted, begun.elapsed(), kind, &words);
    }
    Ok(())
}

async fn no_url() -> Outcome {
    for endpoint in [
        "localhost:10000/me",
        "https://",
        "ftp://host",
        "",
        "http://us er",
        "http://host:port",
        "https://key:aHVudGVyMmh1bnRlcjI=@host/",
        "https://me.blob.core.windows.net/?sv=1&sig=aHVudGVyMmh1bnRlcjI=",
    ] {
        let error = Azure::open(settings(endpoint)).await.map(drop).expect_err(endpoint);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["`endpoint`", "https://"]);
    }
    // An address names no account.
    let config = Config::new("container").endpoint("http://127.0.0.1:10000");
    let error = Azure::open(config.credentials(Credentials::Anonymous)).await.map(drop).expect_err("no name");
    check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["account"]);
    Ok(())
}

async fn token_in_the_clear() -> Outcome {
    for credentials in [Credentials::Cli, Credentials::Chain, Credentials::Token("eyJhbGci".into())] {
        let config = settings("http://127.0.0.1:9/me").credentials(credentials);
        let error = Azure::open(config).await.map(drop).expect_err("no success");
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["tokens", "`https`"]);
    }
    Ok(())
}

async fn connection_string() -> Outcome {
    for wrong in [
        "AccountKey=aHVudGVyMmh1bnRlcjI=",
        "DefaultEndpointsProtocol=https;AccountKey=aHVudGVyMmh1bnRlcjI=;EndpointSuffix=core.windows.net",
        "AccountName=;AccountKey=aHVudGVyMmh1bnRlcjI=",
        "hunter2",
        "",
    ] {
        let config = Config::new("container").connection_string(&wrong.into());
        let error = config.map(drop).expect_err(wrong);
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["connection string", "`AccountName`"]);
    }
    Ok(())
}

async fn clock() -> Outcome {
    let detail = "<AuthenticationErrorDetail>Request date header too old: 'Sat'</AuthenticationErrorDetail>";
    let proxy = answers(refusal(403, "AuthenticationFailed", "Server failed to authenticate.", detail));
    let store = open(settings(&behind(&proxy))).await;
    fails(&store, ErrorKind::Unauthenticated, &["the clock of this machine is wrong"]).await;
    Ok(())
}

/// A version that no service can read is 400 as well, and is no version.
async fn malformed() -> Outcome {
    for (code, kind) in
        [("InvalidAuthenticationInfo", ErrorKind::Unauthenticated), ("InvalidHeaderValue", ErrorKind::Other)]
    {
        let proxy = answers(refusal(400, code, "Not in the correct format.", ""));
        let store = open(settings(&behind(&proxy)).versions(true)).await;
        let version = || Version::new("v");
        let target = DeleteTarget::new(key("k")).version(version());
        let deleted = store.delete(target).await.expect_err("no success");
        check(&deleted, Duration::ZERO, kind, &[code]);
        let read =
            store.read(&key("k"), ReadOptions::new().version(version())).await.expect_err("no success");
        check(&read, Duration::ZERO, kind, &[code]);
        let stat =
            store.stat(&key("k"), StatOptions::new().version(version())).await.expect_err("no success");
        check(&stat, Duration::ZERO, kind, &[code]);
        let options = CopyOptions::new().source_version(version());
        let copied = store.copy(&key("k"), &key("l"), options).await.expect_err("no success");
        check(&copied, Duration::ZERO, kind, &[code]);
    }
    Ok(())
}

async fn no_account() -> Outcome {
    let home = tempfile::tempdir()?;
    if alone("errors/no-account", home.path(), &[])?.is_some() {
        return Ok(());
    }
    let error = Azure::open(Config::new("container")).await.map(drop).expect_err("no success");
    check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &["account", "AZURE_STORAGE_ACCOUNT"]);
    Ok(())
}

/// The last that is asked for a token is the metadata service of a machine, which mostly is not there.
async fn no_credentials() -> Outcome {
    let home = tempfile::tempdir()?;
    if alone("errors/no-credentials", home.path(), &[])?.is_some() {
        return Ok(());
    }
    let begun = Instant::now();
    let config = Config::new("container").account(ACCOUNT).endpoint(format!("https://{NOWHERE}"));
    let store = open(config).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "opening took {:?}", begun.elapsed());
    fails(&store, ErrorKind::Unauthenticated, &["no usable credentials", "az login", "`anonymous=true`"])
        .await;
    Ok(())
}

async fn debug() -> Outcome {
    let secret = || SECRET.into();
    let all = [
        Credentials::AccountKey(secret()),
        Credentials::Sas("sv=2023-11-03&sig=hunter2".into()),
        Credentials::ClientSecret {
            tenant_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            client_id: "app".to_owned(),
            client_secret: secret(),
        },
        Credentials::Token("eyJhbGci".into()),
    ];
    for credentials in all {
        let config = settings("https://127.0.0.1:9/me").credentials(credentials);
        no_secret(&format!("{config:?} {config:#?}"));
        let azure = Azure::open(config).await?;
        no_secret(&format!("{azure:?} {azure:#?}"));
        let store = Store::new(azure);
        no_secret(&format!("{store:?} {store:#?}"));
    }
    let text = format!("AccountName=me;AccountKey={SECRET}");
    no_secret(&format!("{:?}", Config::new("container").connection_string(&text.into())?));
    Ok(())
}
