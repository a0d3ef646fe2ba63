//! What a store is told to set on every object, seen by the vendor's own client.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use libtest_mimic::{Failed, Trial};
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Fault, Plan, Request, Rule};
use storage_core::{
    Algorithm, CopyOptions, ErrorKind, Level, ReadOptions, RetryPolicy, SignRequest, SignedMethod,
    StatOptions, Store, WriteOptions,
};
use storage_s3::{ChecksumMode, Config, Credentials, Encryption, S3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::run::{NOWHERE, Outcome, Place, alone, body, key, on, test};
use crate::support::dialect::call;
use crate::support::{CEPH, SEAWEEDFS, client};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(CEPH, "settings/customer-key", customer_key),
        on(CEPH, "settings/customer-key-in-a-copy-in-parts", customer_key_copy),
        on(SEAWEEDFS, "settings/keys-of-the-service", service_keys),
        on(SEAWEEDFS, "settings/storage-class", storage_class),
        on(SEAWEEDFS, "settings/tags", tags),
        on(SEAWEEDFS, "settings/of-a-signed-put", signed_put),
        on(SEAWEEDFS, "settings/checksums", checksums),
        on(SEAWEEDFS, "settings/checksums-where-nobody-says", checksums_found_out),
        on(SEAWEEDFS, "settings/checksums-that-are-refused", checksums_refused),
        on(SEAWEEDFS, "settings/checksums-that-are-ignored", checksums_ignored),
        on(SEAWEEDFS, "settings/checksums-that-uploads-ignore", checksums_ignored_by_uploads),
        on(SEAWEEDFS, "settings/a-checksum-finds-a-damaged-write", damaged_write),
        on(SEAWEEDFS, "settings/a-checksum-finds-a-damaged-read", damaged_read),
        on(SEAWEEDFS, "settings/a-checksum-that-is-told-is-compared", told_checksum),
        on(SEAWEEDFS, "settings/part-size", part_size),
        on(CEPH, "settings/anonymous", anonymous),
        test("settings/an-endpoint-of-the-environment", endpoint_of_environment),
        on(SEAWEEDFS, "settings/attributes-as-others-see-them", attributes),
    ]
}

/// Nothing is believed of a service that is not AWS, however its address was found.
async fn endpoint_of_environment() -> Outcome {
    let home = tempfile::tempdir()?;
    let endpoint = [("AWS_ENDPOINT_URL_S3", format!("http://{NOWHERE}"))];
    if alone("settings/an-endpoint-of-the-environment", home.path(), &endpoint)?.is_some() {
        return Ok(());
    }
    let keys = Credentials::Keys { id: "AK".into(), secret: "SK".into(), token: None };
    let store = Store::new(S3::open(Config::new("bucket").credentials(keys.clone())).await?);
    assert_eq!(store.capabilities().create_if_absent, Level::None);
    let request = || SignRequest::new(SignedMethod::Get, std::time::Duration::from_secs(60));
    let signed = store.presign(&key("k"), request()).await?;
    assert!(signed.url.reveal().starts_with(&format!("http://{NOWHERE}/bucket/k?")));
    // What the program says goes first.
    let config = Config::new("bucket").credentials(keys).endpoint("https://s3.eu-1.amazonaws.com");
    let store = Store::new(S3::open(config).await?);
    assert_eq!(store.capabilities().create_if_absent, Level::Atomic);
    let signed = store.presign(&key("k"), request()).await?;
    assert!(signed.url.reveal().starts_with("https://bucket.s3.eu-1.amazonaws.com/k?"));
    Ok(())
}

async fn anonymous(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    for name in ["public", "private"] {
        store.write(&key(name), name, WriteOptions::new()).await?;
    }
    let acl = client(&endpoint).put_object_acl().bucket(place.bucket).key(place.full("public"));
    acl.acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead).send().await?;
    let nobody = place.store(|c| c.credentials(Credentials::Anonymous)).await?;
    assert_eq!(&nobody.read(&key("public"), ReadOptions::new()).await?.bytes[..], b"public");
    assert_eq!(nobody.stat(&key("public"), StatOptions::new()).await?.size, 6);
    let denied = nobody.read(&key("private"), ReadOptions::new()).await.map(drop).expect_err("it is private");
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied, "{denied}");
    let denied = nobody.write(&key("public"), "x", WriteOptions::new()).await.expect_err("it is not ours");
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied, "{denied}");
    let request = SignRequest::new(SignedMethod::Get, std::time::Duration::from_secs(60));
    let unsigned = nobody.presign(&key("public"), request).await.expect_err("nobody signs");
    assert_eq!(unsigned.kind(), ErrorKind::Unsupported);
    Ok(())
}

const MIB: usize = 1 << 20;
/// Written in one request, in parts, and by a copy.
const WAYS: [&str; 3] = ["once", "parts", "copy"];

async fn fill(store: &Store) -> storage_core::Result<()> {
    written(store).await?;
    store.copy(&key("once"), &key("copy"), CopyOptions::new()).await?;
    Ok(())
}

async fn written(store: &Store) -> storage_core::Result<()> {
    store.write(&key("once"), body(1000), WriteOptions::new()).await?;
    store.write(&key("parts"), body(11 * MIB), WriteOptions::new().part_size(5 << 20)).await?;
    Ok(())
}

async fn head(place: &Place, name: &str) -> Result<HeadObjectOutput, Failed> {
    Ok(client(&place.endpoint).head_object().bucket(place.bucket).key(place.full(name)).send().await?)
}

fn with_key(byte: char) -> impl FnOnce(Config) -> Config {
    // 32 equal bytes, in base64.
    let key = match byte {
        'a' => "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=",
        _ => "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=",
    };
    move |config| config.encryption(Encryption::Customer(key.into()))
}

/// SeaweedFS answers a HEAD with the hash of the key twice, which the vendor's client does not take; release 16 of Ceph
/// copies such objects in parts alone.
async fn customer_key(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(with_key('a')).await?;
    written(&store).await?;
    let ways = [("once", 1000), ("parts", 11 * MIB)];
    for (name, len) in ways {
        let read = store.read(&key(name), ReadOptions::new()).await?;
        assert!(read.bytes == body(len), "{name}");
        assert_eq!(store.stat(&key(name), StatOptions::new()).await?, read.metadata, "{name}");
        let ranges = store.read_ranges(&key(name), &[10..20, 900..1000], ReadOptions::new()).await?;
        assert!(ranges[0] == body(len)[10..20] && ranges[1] == body(len)[900..1000], "{name}");
    }
    // Neither another key nor none gives the bytes.
    for other in [place.store(with_key('b')).await?, place.store(|c| c).await?] {
        for (name, _) in ways {
            other.read(&key(name), ReadOptions::new()).await.map(drop).expect_err(name);
            other.stat(&key(name), StatOptions::new()).await.map(drop).expect_err(name);
        }
    }
    // Whoever held such a URL would need the key as well.
    assert_eq!(store.capabilities().signed_urls, None);
    let request = SignRequest::new(SignedMethod::Get, std::time::Duration::from_secs(60));
    let refused = store.presign(&key("once"), request).await.expect_err("no URL");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let shown = format!("{store:?}");
    assert!(!shown.contains("YWFh"), "{shown}");
    Ok(())
}

async fn customer_key_copy(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, with_key('a')).await?;
    store.write(&key("from"), body(100_000), WriteOptions::new().content_type("text/x")).await?;
    let text = "<Error><Code>EntityTooLarge</Code><Message>Too large</Message></Error>";
    let answer = Answer::new(400).body(text);
    let once = Rule::new(Fault::Answer(answer))
        .only(|r| r.header("x-amz-copy-source").is_some() && !r.target.contains("partNumber"));
    proxy.set(Plan::new().rule(once));
    let copied = store.copy(&key("from"), &key("to"), CopyOptions::new()).await?;
    assert_eq!(proxy.unmet(), [""; 0]);
    assert_eq!(copied.attributes.content_type.as_deref(), Some("text/x"));
    assert!(store.read(&key("to"), ReadOptions::new()).await?.bytes == body(100_000));
    Ok(())
}

async fn service_keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.encryption(Encryption::Service)).await?;
    fill(&store).await?;
    for (name, len) in WAYS.into_iter().zip([1000, 11 * MIB, 1000]) {
        let told = head(&place, name).await?;
        let kind = told.server_side_encryption().map(|kind| kind.as_str().to_owned());
        assert_eq!(kind.as_deref(), Some("AES256"), "{name}");
        assert!(store.read(&key(name), ReadOptions::new()).await?.bytes == body(len), "{name}");
    }
    Ok(())
}

async fn storage_class(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    fill(&place.store(|c| c.storage_class("STANDARD_IA")).await?).await?;
    for name in WAYS {
        let told = head(&place, name).await?;
        let class = told.storage_class().map(|class| class.as_str().to_owned());
        assert_eq!(class.as_deref(), Some("STANDARD_IA"), "{name}");
    }
    Ok(())
}

async fn tags_of(place: &Place, name: &str) -> Result<Vec<(String, String)>, Failed> {
    let told = client(&place.endpoint)
        .get_object_tagging()
        .bucket(place.bucket)
        .key(place.full(name))
        .send()
        .await?;
    let mut tags: Vec<_> =
        told.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort();
    Ok(tags)
}

async fn tags(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.tags("team=storage&what=a%20test%2Fof%2Btags")).await?;
    fill(&store).await?;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [pair("team", "storage"), pair("what", "a test/of+tags")];
    for name in WAYS {
        assert_eq!(tags_of(&place, name).await?, expected, "{name}");
    }
    // Without tags of its own a store copies those of the source.
    place.store(|c| c).await?.copy(&key("once"), &key("again"), CopyOptions::new()).await?;
    assert_eq!(tags_of(&place, "again").await?, expected);
    Ok(())
}

/// What the holder of a URL writes is as the store would have written it.
async fn signed_put(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store =
        place.store(|c| c.storage_class("STANDARD_IA").tags("a=b").encryption(Encryption::Service)).await?;
    let request = SignRequest::new(SignedMethod::Put, std::time::Duration::from_secs(60));
    let signed = store.presign(&key("k"), request).await?;
    let url = signed.url.reveal();
    let (host, target) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut head_of =
        format!("PUT /{target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\nconnection: close\r\n");
    for (name, value) in &signed.headers {
        head_of.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("{head_of}\r\nabc").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let told = head(&place, "k").await?;
    assert_eq!(told.storage_class().map(|class| class.as_str()), Some("STANDARD_IA"));
    assert_eq!(told.server_side_encryption().map(|kind| kind.as_str()), Some("AES256"));
    assert_eq!(tags_of(&place, "k").await?, [("a".to_owned(), "b".to_owned())]);
    Ok(())
}

fn with_checksums(config: Config) -> Config {
    config.checksums(ChecksumMode::Crc64Nvme)
}

async fn checksums(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(with_checksums).await?;
    for (name, len) in [("empty", 0), ("once", 1000), ("parts", 11 * MIB)] {
        let content = body(len);
        let expected = Algorithm::Crc64Nvme.digest(&content);
        let options = WriteOptions::new().part_size(5 << 20).checksum(Algorithm::Crc64Nvme);
        let written = store.write(&key(name), content.clone(), options).await?;
        assert_eq!(written.checksums.get(Algorithm::Crc64Nvme), Some(expected), "{name}");
        let found = store.stat(&key(name), StatOptions::new()).await?;
        assert_eq!(found.checksums.get(Algorithm::Crc64Nvme), Some(expected), "stat of {name}");
        let read = store.read(&key(name), ReadOptions::new()).await?;
        assert!(read.bytes == content, "{name}");
        let told = client(&place.endpoint)
            .head_object()
            .bucket(place.bucket)
            .key(place.full(name))
            .checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled)
            .send()
            .await?;
        assert!(told.checksum_crc64_nvme().is_some(), "{name} has no checksum of its own");
    }
    // A part of an object has no checksum to be held against.
    let range = store.read(&key("parts"), ReadOptions::new().range(5..10)).await?;
    assert!(range.bytes == body(11 * MIB)[5..10]);
    let copied = store.copy(&key("parts"), &key("copy"), CopyOptions::new()).await?;
    assert_eq!(copied.size, 11 << 20);
    let without = place.store(|c| c.checksums(ChecksumMode::Off)).await?;
    assert!(without.read(&key("parts"), ReadOptions::new()).await?.bytes == body(11 * MIB));
    Ok(())
}

const CRC64: &str = "x-amz-checksum-crc64nvme";

/// The service turns out to know them, with an object of one request as well as with parts.
async fn checksums_found_out(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for (name, len) in [("once", 1000), ("parts", 11 * MIB)] {
        let (proxy, content) = (place.proxy(), body(len));
        let store = place.through(&proxy, |c| c).await?;
        for at in 0..2 {
            let name = format!("{name}-{at}");
            let written =
                store.write(&key(&name), content.clone(), WriteOptions::new().part_size(5 << 20)).await?;
            let expected = Some(Algorithm::Crc64Nvme.digest(&content));
            assert_eq!(written.checksums.get(Algorithm::Crc64Nvme), expected, "{name}");
            let found = store.stat(&key(&name), StatOptions::new()).await?;
            assert_eq!(found.checksums.get(Algorithm::Crc64Nvme), expected, "stat of {name}");
        }
        assert_eq!(proxy.requests().iter().filter(|request| request.method == "GET").count(), 0);
    }
    Ok(())
}

/// Whether a request asks for checksums of what is written.
fn asks(request: &Request) -> bool {
    request.headers.iter().any(|(name, _)| name == CRC64 || name == "x-amz-checksum-algorithm")
}

/// One request of each kind at most is in vain; of what is wrong for another reason the service's own word is told.
async fn checksums_refused(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for (name, len) in [("once", 1000), ("parts", 11 * MIB)] {
        for status in [400, 501] {
            let (proxy, content) = (place.proxy(), body(len));
            let store = place.through(&proxy, |c| c).await?;
            let no = "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality \
                      that is not implemented</Message></Error>";
            proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(status).body(no))).only(asks)));
            for at in 0..2 {
                let name = key(&format!("{name}-{at}"));
                store.write(&name, content.clone(), WriteOptions::new().part_size(5 << 20)).await?;
                assert!(store.read(&name, ReadOptions::new()).await?.bytes == content);
            }
            assert_eq!(proxy.requests().iter().filter(|request| asks(request)).count(), 1);
        }
    }
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let no = "<Error><Code>InvalidTag</Code><Message>no such tag</Message></Error>";
    let always = Rule::new(Fault::Answer(Answer::new(400).body(no))).method("PUT");
    proxy.set(Plan::new().rule(always));
    let failed = store.write(&key("k"), "bytes", WriteOptions::new()).await.expect_err("refused");
    assert!(failed.to_string().contains("no such tag"), "{failed}");
    proxy.set(Plan::new());
    let written = store.write(&key("k"), "bytes", WriteOptions::new()).await?;
    assert!(written.checksums.get(Algorithm::Crc64Nvme).is_some(), "nothing was learned from that");
    Ok(())
}

/// An answer that tells none: the next request does without.
async fn checksums_ignored(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let content = body(1000);
    let etag = format!("\"{}\"", Algorithm::Md5.digest(&content).to_hex());
    let silent = Rule::new(Fault::Replace(Answer::new(200).header("etag", &etag))).method("PUT").nth(0..1);
    proxy.set(Plan::new().rule(silent));
    for at in 0..3 {
        let name = key(&format!("k-{at}"));
        let written = store.write(&name, content.clone(), WriteOptions::new()).await?;
        assert!(written.checksums.is_empty());
        assert!(store.read(&name, ReadOptions::new()).await?.bytes == content);
    }
    assert_eq!(proxy.requests().iter().filter(|request| asks(request)).count(), 1);
    Ok(())
}

/// An upload whose beginning was answered without a word of checksums is begun again: its parts might be asked for some.
async fn checksums_ignored_by_uploads(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (proxy, content) = (place.proxy(), body(11 * MIB));
    let store = place.through(&proxy, |c| c).await?;
    let silent = "<InitiateMultipartUploadResult><UploadId>none</UploadId></InitiateMultipartUploadResult>";
    let silent = Rule::new(Fault::Answer(Answer::new(200).body(silent))).only(asks);
    proxy.set(Plan::new().rule(silent));
    for at in 0..2 {
        let name = key(&format!("k-{at}"));
        store.write(&name, content.clone(), WriteOptions::new().part_size(5 << 20)).await?;
        assert!(store.read(&name, ReadOptions::new()).await?.bytes == content);
    }
    assert_eq!(proxy.requests().iter().filter(|request| asks(request)).count(), 1);
    let given_up =
        proxy.requests().iter().any(|r| r.method == "DELETE" && r.target.contains("uploadId=none"));
    assert!(given_up, "the first one was left behind");
    Ok(())
}

const MARK: &[u8] = b"the bytes that are damaged on their way";

/// Passes on to `upstream`, and damages the mark wherever it meets it.
async fn damaging(upstream: String) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(upstream.trim_start_matches("http://")).await else { return };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            tokio::spawn(async move {
                let mut held = Vec::new();
                let mut piece = vec![0; 64 << 10];
                while let Ok(read @ 1..) = from_client.read(&mut piece).await {
                    held.extend_from_slice(&piece[..read]);
                    if let Some(at) = held.windows(MARK.len()).position(|window| window == MARK) {
                        held[at] ^= 1;
                    }
                    if to_server.write_all(&held).await.is_err() {
                        return;
                    }
                    held.clear();
                }
            });
        }
    });
    Ok(format!("http://{address}"))
}

/// The service checks by the checksum alone: this one does not look at the hash that signs the body.
async fn damaged_write(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let bad = damaging(endpoint.clone()).await?;
    let policy = RetryPolicy::default().attempts(2);
    let store = place.at(&bad, with_checksums).await?.with_retry(policy);
    let mut content = body(1000);
    content.splice(0..MARK.len(), MARK.iter().copied());
    let failed = store.write(&key("once"), content.clone(), WriteOptions::new()).await.expect_err("damaged");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert_eq!(failed.attempts(), 2, "the way may be better next time: {failed}");
    content.resize(11 * MIB, 7);
    let options = WriteOptions::new().part_size(5 << 20);
    let failed = store.write(&key("parts"), content, options).await.expect_err("damaged");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    let good = place.store(with_checksums).await?;
    for name in ["once", "parts"] {
        assert!(!good.exists(&key(name)).await?, "{name}");
    }
    Ok(())
}

/// Damaged behind the place where the service checks.
async fn told_checksum(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, with_checksums).await?;
    let other = Answer::new(200).header("etag", "\"e\"").header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=");
    let done = "<CompleteMultipartUploadResult><ETag>e</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>\
                </CompleteMultipartUploadResult>";
    for (wanted, answer) in
        [(Call::Write, other.clone()), (Call::Part, other), (Call::Finish, Answer::new(200).body(done))]
    {
        let rule = Rule::new(Fault::Replace(answer)).only(move |request| call(request) == Some(wanted));
        proxy.set(Plan::new().rule(rule));
        let content = if wanted == Call::Write { body(1000) } else { body(11 * MIB) };
        let options = WriteOptions::new().part_size(5 << 20);
        let failed = store.write(&key("k"), content, options).await.expect_err("another checksum");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{wanted:?}: {failed}");
        assert!(failed.may_have_been_applied(), "{wanted:?}: {failed}");
        assert_eq!(proxy.unmet(), [""; 0]);
    }
    Ok(())
}

async fn damaged_read(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, with_checksums).await?.with_retry(RetryPolicy::default().attempts(3));
    let content = body(100_000);
    store.write(&key("k"), content.clone(), WriteOptions::new()).await?;
    let damaged = |nth: std::ops::Range<u64>| {
        Plan::new().rule(Rule::new(Fault::CorruptBody { at: 50_000 }).method("GET").nth(nth))
    };
    proxy.set(damaged(0..u64::MAX));
    let failed = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("damaged");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert_eq!(proxy.unmet(), [""; 0]);
    Ok(())
}

async fn part_size(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.part_size(6 << 20)).await?;
    for (len, parts) in [(6 * MIB, 0), (6 * MIB + 1, 2), (12 * MIB, 2), (12 * MIB + 1, 3)] {
        proxy.forget();
        store.write(&key("k"), body(len), WriteOptions::new()).await?;
        let sent = proxy.requests().iter().filter(|r| r.target.contains("partNumber=")).count();
        assert_eq!(sent, parts, "{len} bytes");
    }
    // The protocol takes no smaller ones.
    let small = place.store(|c| c.part_size(1)).await?;
    assert_eq!(small.capabilities().limits.part_preferred, 5 << 20);
    let limits = place.store(|c| c.part_size(u64::MAX)).await?.capabilities().limits;
    assert_eq!((limits.part_preferred, limits.write_max), (limits.part_max, limits.part_max));
    Ok(())
}

async fn attributes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    store.write(&key("bare"), "x", WriteOptions::new()).await?;
    assert_eq!(head(&place, "bare").await?.content_type(), Some("binary/octet-stream"));
    assert_eq!(store.stat(&key("bare"), StatOptions::new()).await?.attributes.content_type, None);
    let options = WriteOptions::new()
        .content_type("text/plain; charset=utf-8")
        .user_metadata("plain", "as it is")
        .user_metadata("odd", " käse ")
        .user_metadata("empty", "");
    let written = store.write(&key("dressed"), "x", options).await?;
    let told = head(&place, "dressed").await?;
    assert_eq!(told.content_type(), Some("text/plain; charset=utf-8"));
    let user = told.metadata().expect("user metadata");
    assert_eq!(user.get("plain").map(String::as_str), Some("as it is"));
    assert_eq!(user.get("odd").map(String::as_str), Some("=?UTF-8?B?IGvDpHNlIA==?="));
    assert_eq!(store.stat(&key("dressed"), StatOptions::new()).await?.attributes, written.attributes);
    // What others wrote is read as it stands.
    let foreign = client(&place.endpoint)
        .put_object()
        .bucket(place.bucket)
        .key(place.full("foreign"))
        .content_type("application/octet-stream")
        .metadata("Name", "=?UTF-8?Q?k=C3=A4se?=");
    foreign.send().await?;
    let found = store.stat(&key("foreign"), StatOptions::new()).await?.attributes;
    assert_eq!(found.content_type.as_deref(), Some("application/octet-stream"));
    assert!(found.user.contains_key("name"), "{found:?}");
    Ok(())
}
