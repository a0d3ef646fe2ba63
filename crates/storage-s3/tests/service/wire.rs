//! What travels: requests as a server reads them, and answers that no good server gives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{
    Attributes, CopyTarget, DeleteTarget, ETag, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy,
    SignRequest, SignedMethod, StatOptions, Store, TransferOptions, WriteOptions,
};
use storage_s3::{Config, Credentials, S3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::run::{NOWHERE, Outcome, Place, alone, key, on, test};
use crate::support::{CEPH, SEAWEEDFS};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("wire/odd-keys-are-written-as-the-vendor-writes-them", odd_keys),
        test("wire/an-empty-object-tells-its-length", empty),
        test("wire/headers-beyond-ascii-are-signed", beyond_ascii),
        on(SEAWEEDFS, "wire/headers-beyond-ascii-on-seaweedfs", beyond_ascii_on),
        on(CEPH, "wire/headers-beyond-ascii-on-ceph", beyond_ascii_on),
        test("wire/answers-with-odd-headers", odd_headers),
        test("wire/a-refusal-without-end", endless_refusal),
        test("wire/a-listing-without-end", endless_listing),
        test("wire/a-listing-that-is-cut-is-asked-for-again", cut_listing),
        test("wire/a-listing-that-was-refused", refused_listing),
        test("wire/slow-down-is-waited-for", slow_down),
        test("wire/not-modified-and-precondition", conditions),
        test("wire/a-redirect-is-not-followed", redirect),
        test("wire/an-endpoint-with-a-path", base_path),
        test("wire/a-directory-bucket-has-sessions", sessions),
        test("wire/keys-that-expire", expiring),
        test("wire/a-proxy-of-the-environment", proxied),
    ]
}

fn keys() -> Credentials {
    Credentials::Keys { id: "AK".into(), secret: "hunter2".into(), token: Some("tokentoken".into()) }
}

async fn open(config: Config) -> Store {
    Store::new(S3::open(config).await.expect("a store"))
}

async fn at(address: SocketAddr) -> Store {
    open(Config::new("bucket").endpoint(format!("http://{address}")).credentials(keys())).await
}

/// The heads that came, credentials and all.
type Heads = Arc<Mutex<Vec<String>>>;

/// Answers everything like this, and closes the connection. A byte that follows the answer is sent again and again.
async fn server(
    answer: &'static [u8],
    for_ever: Option<&'static [u8]>,
) -> std::io::Result<(SocketAddr, Heads)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let heads = Heads::default();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let head = head(&mut client).await;
                seen.lock().expect("no panic").push(head);
                let _ = client.write_all(answer).await;
                while let Some(more) = for_ever
                    && client.write_all(more).await.is_ok()
                {}
                let _ = client.shutdown().await;
            });
        }
    });
    Ok((address, heads))
}

async fn head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

const WRITTEN: &[u8] = b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

async fn odd_keys() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(404)))));
    let store = at(proxy.address()).await;
    for name in [
        "a b",
        "a+b",
        "a%20b",
        "a%2Fb",
        "what?",
        "#1",
        "a//b",
        "/a",
        "a/",
        "..",
        "../a",
        "a/./b",
        "./a",
        "~a",
        "a:b@c=d&e;f,g",
        "käse",
        "\u{1}\t\r\n\u{7f}",
        "\"<>\\^`{|}",
        "'()*!$",
        "\u{1f980}",
    ] {
        let key = key(name);
        proxy.forget();
        assert_eq!(store.read(&key, ReadOptions::new()).await.expect_err(name).kind(), ErrorKind::NotFound);
        let sent = proxy.requests()[0].target.clone();
        let signed =
            store.presign(&key, SignRequest::new(SignedMethod::Get, Duration::from_secs(60))).await?;
        let start = format!("http://{}", proxy.address());
        let signed = signed.url.reveal().strip_prefix(&start).expect("a URL").split('?').next();
        assert_eq!(Some(sent.split('?').next().expect("a path")), signed, "{name:?}");
    }
    Ok(())
}

async fn empty() -> Outcome {
    let (address, heads) = server(WRITTEN, None).await?;
    at(address).await.write(&key("k"), "", WriteOptions::new()).await?;
    let head = heads.lock().expect("no panic")[0].clone();
    assert!(head.contains("\r\ncontent-length: 0\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
    // The hash of nothing.
    assert!(head.contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "{head}");
    for signed in ["host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"] {
        let list = head.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next());
        assert!(list.is_some_and(|list| list.split(';').any(|name| name == signed)), "{signed}: {head}");
    }
    Ok(())
}

fn attributes() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.content_disposition = Some(DISPOSITION.to_owned());
    attributes
}

const DISPOSITION: &str = "attachment;  filename=\"k\u{e4}se.txt\"";

async fn beyond_ascii() -> Outcome {
    let (address, heads) = server(WRITTEN, None).await?;
    let store = open(
        Config::new("bucket")
            .endpoint(format!("http://{address}"))
            .credentials(keys())
            .tags("what=k\u{e4}se"),
    )
    .await;
    store.write(&key("k"), "x", WriteOptions::new().attributes(attributes())).await?;
    let head = heads.lock().expect("no panic")[0].clone();
    let signed = head.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("");
    assert!(signed.contains("x-amz-tagging") && signed.contains("content-disposition"), "{head}");
    Ok(())
}

async fn beyond_ascii_on(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    let options = || WriteOptions::new().attributes(attributes()).user_metadata("k", " k\u{e4}  ");
    let written = store.write(&key("once"), "x", options()).await?;
    let found = store.stat(&key("once"), StatOptions::new()).await?.attributes;
    assert_eq!(found.content_disposition, written.attributes.content_disposition);
    assert_eq!(found.user, written.attributes.user);
    Ok(())
}

/// An ETag twice, and a header in an encoding of long ago.
async fn odd_headers() -> Outcome {
    let (address, _) = server(
        b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nETag: \"e\"\r\nContent-Length: 1\r\nx-amz-meta-a: b\r\n\
          x-amz-meta-latin: k\xe4se\r\nContent-Disposition: k\xe4se\r\nConnection: close\r\n\r\nx",
        None,
    )
    .await?;
    let store = at(address).await;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(&read.bytes[..], b"x");
    assert_eq!(read.metadata.etag.as_ref().map(|e| e.as_str()), Some("\"e\""));
    assert_eq!(read.metadata.attributes.user.get("a").map(String::as_str), Some("b"));
    Ok(())
}

async fn endless_refusal() -> Outcome {
    let (address, _) = server(
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n",
        Some(b"10\r\n<Error><a>aaaaaa\r\n"),
    )
    .await?;
    let begun = Instant::now();
    let failed = at(address).await.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    Ok(())
}

async fn endless_listing() -> Outcome {
    static PIECE: [u8; 64 << 10] = [b' '; 64 << 10];
    let (address, _) = server(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>", Some(&PIECE)).await?;
    let listed: Result<Vec<_>, _> =
        at(address).await.list(&Prefix::root(), ListOptions::new()).try_collect().await;
    assert_eq!(listed.expect_err("no end").kind(), ErrorKind::InvalidData);
    Ok(())
}

async fn cut_listing() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    let cut = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key>";
    let whole = format!("{cut}<Size>1</Size></Contents></ListBucketResult>");
    proxy.set(
        Plan::new()
            .rule(Rule::new(Fault::Answer(Answer::new(200).body(cut))).nth(0..1))
            .rule(Rule::new(Fault::Answer(Answer::new(200).body(whole)))),
    );
    let store = at(proxy.address()).await;
    let listed: Vec<_> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(listed.len(), 1);
    let truncated = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(200).body(truncated)))));
    let listed: Result<Vec<_>, _> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await;
    assert_eq!(listed.expect_err("there is more").kind(), ErrorKind::InvalidData);
    Ok(())
}

/// In a success, as some services do it.
async fn refused_listing() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(200).body(denied)))));
    let store = at(proxy.address()).await;
    let listed: Result<Vec<_>, _> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await;
    assert_eq!(listed.expect_err("refused").kind(), ErrorKind::PermissionDenied);
    Ok(())
}

async fn slow_down() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    let slow =
        Answer::new(503).retry_after(Duration::from_secs(1)).body("<Error><Code>SlowDown</Code></Error>");
    proxy.set(
        Plan::new()
            .rule(Rule::new(Fault::Answer(slow)).nth(0..1))
            .rule(Rule::new(Fault::Answer(Answer::new(200).header("etag", "\"e\"").body("x")))),
    );
    let begun = Instant::now();
    let read = at(proxy.address()).await.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(&read.bytes[..], b"x");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    Ok(())
}

async fn conditions() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    let store = at(proxy.address()).await;
    for (status, kind) in [(304, ErrorKind::NotModified), (412, ErrorKind::PreconditionFailed)] {
        proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(status)))));
        let failed = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        assert_eq!(failed.kind(), kind, "{failed}");
        let failed = store.stat(&key("k"), StatOptions::new()).await.expect_err("no success");
        assert_eq!(failed.kind(), kind, "{failed}");
    }
    Ok(())
}

/// The place that it leads to never sees the credentials.
async fn redirect() -> Outcome {
    let other = Proxy::http(NOWHERE)?;
    let proxy = Proxy::http(NOWHERE)?;
    for status in [301, 302, 307, 308] {
        let answer = Answer::new(status).header("location", format!("http://{}/bucket/k", other.address()));
        proxy.set(Plan::new().rule(Rule::new(Fault::Answer(answer))));
        let failed =
            at(proxy.address()).await.read(&key("k"), ReadOptions::new()).await.expect_err("elsewhere");
        assert!(failed.to_string().contains(&status.to_string()), "{failed}");
    }
    assert!(other.requests().is_empty());
    Ok(())
}

/// Behind a gateway that has other things at its root.
async fn base_path() -> Outcome {
    let proxy = Proxy::http(NOWHERE)?;
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(404)))));
    for base in ["/base", "/base/"] {
        let endpoint = format!("http://{}{base}", proxy.address());
        let store = open(Config::new("bucket").endpoint(endpoint).credentials(keys())).await;
        proxy.forget();
        assert!(!store.exists(&key("a b")).await?);
        assert_eq!(proxy.requests()[0].target, "/base/bucket/a%20b");
        // By the vendor's client.
        proxy.forget();
        let _ = store.delete(DeleteTarget::new(key("a b"))).await;
        assert_eq!(proxy.requests()[0].target.split('?').next(), Some("/base/bucket/a%20b"));
    }
    Ok(())
}

const DIRECTORY_BUCKET: &str = "b--use1-az4--x-s3";

/// Opened once with the user's keys, then everything is signed with its own.
async fn sessions() -> Outcome {
    const SESSION: &str = "<CreateSessionResult><Credentials><SessionToken>sessiontoken</SessionToken>\
         <SecretAccessKey>sessionsecret</SecretAccessKey><AccessKeyId>AKSESSION</AccessKeyId>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>";
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let heads = Heads::default();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let head = head(&mut client).await;
            let body = match head.contains("x-amz-copy-source") {
                true => "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>",
                false if head.contains("?session") => SESSION,
                false => "x",
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            seen.lock().expect("no panic").push(head);
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    let config = Config::new(DIRECTORY_BUCKET).endpoint(format!("http://{address}")).path_style(false);
    let store = open(config.credentials(keys())).await;
    for _ in 0..2 {
        assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    }
    store.write(&key("k"), "x", WriteOptions::new()).await?;
    let mut seen = storage_core::Metadata::new(1);
    seen.etag = Some(ETag::new("\"e\""));
    let copy = CopyTarget::new(key("k"), key("to")).seen(&seen);
    store.copy_all_to(&[copy], &store, &TransferOptions::new()).await.remove(0)?;
    let mut heads = heads.lock().expect("no panic").clone();
    // The service copies for the keys themselves alone.
    let copied = heads.pop().expect("a copy");
    assert!(copied.contains("Credential=AK/") && copied.contains("/s3express/"), "{copied}");
    assert!(!copied.contains("x-amz-s3session-token"), "{copied}");
    let [session, requests @ ..] = heads.as_slice() else { panic!("no request") };
    assert!(session.contains("?session") && session.contains("Credential=AK/"), "{session}");
    assert_eq!(requests.len(), 3, "{requests:#?}");
    for request in requests {
        assert!(request.contains(&format!(" /{DIRECTORY_BUCKET}/k ")), "{request}");
        assert!(request.contains("Credential=AKSESSION/") && request.contains("/s3express/"), "{request}");
        assert!(request.contains("\r\nx-amz-s3session-token: sessiontoken\r\n"), "{request}");
        assert!(!request.contains("x-amz-security-token"), "{request}");
    }
    let shown = format!("{store:?}");
    for secret in ["sessiontoken", "sessionsecret", "hunter2", "tokentoken"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    Ok(())
}

/// Keys of a program that hands out others whenever it is asked, until it fails.
async fn expiring() -> Outcome {
    let home = tempfile::tempdir()?;
    std::fs::create_dir(home.path().join(".aws"))?;
    let script = home.path().join("keys");
    std::fs::write(
        &script,
        "cd \"$HOME\"; [ ! -e broken ] || exit 1; echo >> count; n=$(/usr/bin/wc -l < count)\n\
         until=$(/bin/date -u -d '+50 seconds' +%Y-%m-%dT%H:%M:%SZ)\n\
         echo '{\"Version\":1,\"AccessKeyId\":\"AK'$n'\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"'$until'\"}'\n",
    )?;
    let profile = format!("[profile p]\ncredential_process = /bin/sh {}\n", script.display());
    std::fs::write(home.path().join(".aws/config"), profile)?;
    if alone("wire/keys-that-expire", home.path(), &[])?.is_some() {
        return Ok(());
    }
    let (address, heads) =
        server(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", None).await?;
    let config = Config::new("bucket").endpoint(format!("http://{address}"));
    let store = open(config.credentials(Credentials::Profile("p".into()))).await;
    let home = std::path::PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let mut used = Vec::new();
    for last in [false, false, true, true] {
        if last {
            std::fs::write(home.join("broken"), "")?;
        }
        assert!(!store.exists(&key("k")).await?);
        let head = heads.lock().expect("no panic").pop().expect("a request");
        let name =
            head.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).map(str::to_owned);
        used.push(name.expect("a signature"));
    }
    // Soon over, they are asked for anew each time, and the last ones do while they last.
    assert!(used[0] != used[1] && used[1] == used[2] && used[2] == used[3], "{used:?}");
    Ok(())
}

/// With a user, a password, and places that are reached without it.
async fn proxied() -> Outcome {
    const FROM: &str = "HTTP_PROXY";
    let home = tempfile::tempdir()?;
    let (proxy, heads) =
        server(b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", None)
            .await?;
    let (direct, at_direct) = server(WRITTEN, None).await?;
    let environment = [
        (FROM, format!("http://user:hunter2@{proxy}")),
        ("NO_PROXY", "direct.invalid,127.0.0.1".to_owned()),
        ("HAUL_TEST_DIRECT", direct.to_string()),
    ];
    // What blocks is not to stop the servers.
    let ran =
        tokio::task::block_in_place(|| alone("wire/a-proxy-of-the-environment", home.path(), &environment));
    if ran?.is_some() {
        let heads = heads.lock().expect("no panic").clone();
        let [get] = heads.as_slice() else { panic!("{heads:#?}") };
        assert!(get.starts_with("GET http://s3.example.invalid"), "{get}");
        assert!(get.contains("/bucket/k "), "{get}");
        assert!(get.contains("\r\nhost: s3.example.invalid\r\n"), "the default port is not signed: {get}");
        assert!(get.contains("\r\nproxy-authorization: Basic dXNlcjpodW50ZXIy\r\n"), "{get}");
        assert!(!get.contains("proxy-authorization;"), "it is no business of the service: {get}");
        assert_eq!(at_direct.lock().expect("no panic").len(), 1);
        return Ok(());
    }
    let store = |endpoint: String| open(Config::new("bucket").endpoint(endpoint).credentials(keys()));
    let behind = store("http://s3.example.invalid:80".to_owned()).await;
    assert_eq!(&behind.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    assert!(!format!("{behind:?}").contains("hunter2"));
    let policy = RetryPolicy::default().attempts(1);
    let past = store("http://direct.invalid".to_owned()).await.with_retry(policy);
    let failed = past.read(&key("k"), ReadOptions::new()).await.expect_err("nobody is there");
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    let direct = std::env::var("HAUL_TEST_DIRECT")?;
    store(format!("http://{direct}")).await.write(&key("k"), "x", WriteOptions::new()).await?;
    Ok(())
}
