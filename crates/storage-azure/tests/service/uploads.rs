//! Writes in one request and in blocks, with what others leave in their way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Close, Fault, Plan, Rule};
use storage_core::{
    Backend, CopyOptions, ErrorKind, Part, Payload, ReadOptions, RetryPolicy, SignedMethod, StatOptions,
    TakenPart, Upload, WriteOptions, WriteRequest,
};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::AZURITE;
use crate::support::dialect::call;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "uploads/finished-twice", finished_twice),
        on(AZURITE, "uploads/parts-that-do-not-add-up", gap),
        on(AZURITE, "uploads/a-lost-answer", lost_answer),
        on(AZURITE, "uploads/a-lost-answer-under-a-condition", lost_answer_under_a_condition),
        on(AZURITE, "uploads/an-answer-without-an-etag", no_etag),
        on(AZURITE, "uploads/leftovers-are-no-blob", leftovers),
        on(AZURITE, "uploads/leftovers-under-a-lost-answer", leftovers_lost),
        on(AZURITE, "uploads/a-failed-condition-leaves-the-old", failed_condition),
        on(AZURITE, "uploads/many-blocks", many),
        on(AZURITE, "uploads/blocks-of-another-length", another_length),
        on(AZURITE, "uploads/another-checksum-told", told_checksum),
        on(AZURITE, "uploads/refused-checksum-is-tried-again", refused_checksum),
        on(AZURITE, "uploads/another-process-goes-on", another_process),
    ]
}

const PART: usize = 1 << 20;

async fn upload(place: &Place, name: &str) -> Result<Box<dyn Upload>, libtest_mimic::Failed> {
    let backend = place.backend(&place.endpoint, |c| c).await?;
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    Ok(backend.upload(&key(&place.full(name)), &request).await?)
}

fn part(number: u64) -> Part {
    Part::new(number, number * PART as u64, Payload::from(body(PART)))
}

/// With the blocks that the service has, and no other.
async fn another_process(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let name = key(&place.full("k"));
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let upload = place.backend(&place.endpoint, |c| c).await?.upload(&name, &request).await?;
    upload.part(part(0)).await?;
    upload.part(part(2)).await?;
    let kept = upload.keep().expect("the service keeps blocks");
    drop(upload);
    let mut shorter = part(2);
    shorter.body.split_to(1);
    let taken = |part: &Part| TakenPart::new(part, "");
    let backend = place.backend(&place.endpoint, |c| c).await?;
    for (told, stands) in [
        (vec![taken(&part(0)), taken(&part(1)), taken(&part(2))], vec![0, 2]),
        (vec![taken(&part(0)), taken(&shorter)], vec![0]),
    ] {
        let resumed = backend.resume(&name, &request, &kept, &told).await?.expect("blocks are there");
        assert_eq!(resumed.parts, stands);
    }
    let mut other = request.clone();
    other.token = format!("{:032x}", fastrand::u128(..));
    assert!(backend.resume(&name, &other, &kept, &[taken(&part(0))]).await?.is_none());
    let resumed = backend.resume(&name, &request, &kept, &[taken(&part(0)), taken(&part(2))]).await?;
    let upload = resumed.expect("blocks are there").upload;
    upload.part(part(1)).await?;
    assert_eq!(upload.finish(3 * PART as u64).await?.size, 3 * PART as u64);
    let whole = [body(PART), body(PART), body(PART)].concat();
    assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == whole);
    // Once they are a blob's they are nobody's to go on with.
    assert!(backend.resume(&name, &request, &kept, &[taken(&part(0))]).await?.is_none());
    Ok(())
}

async fn finished_twice(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let upload = upload(&place, "k").await?;
    upload.part(part(1)).await?;
    upload.part(part(0)).await?;
    // The same part again, as after a lost answer.
    upload.part(part(1)).await?;
    assert!(!store.exists(&key("k")).await?);
    let size = 2 * PART as u64;
    upload.finish(size).await?;
    let again = upload.finish(size).await?;
    upload.abort().await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert!(read.bytes == [body(PART), body(PART)].concat());
    assert_eq!(read.metadata.etag, again.etag);
    Ok(())
}

async fn gap(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let upload = upload(&place, "k").await?;
    upload.part(part(0)).await?;
    upload.part(part(2)).await?;
    for size in [2 * PART as u64, 3 * PART as u64, 0] {
        let failed = upload.finish(size).await.expect_err("a part is missing");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
        assert!(!failed.may_have_been_applied());
    }
    upload.abort().await?;
    assert!(!place.store(|c| c).await?.exists(&key("k")).await?);
    Ok(())
}

fn lost(wanted: Call) -> Plan {
    let lost = Rule::new(Fault::LoseResponse(Close::Reset)).nth(0..1);
    Plan::new().rule(lost.only(move |request| call(request) == Some(wanted)))
}

async fn lost_answer(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for (at, wanted) in [Call::Write, Call::Part, Call::Finish].into_iter().enumerate() {
        let content = if wanted == Call::Write { body(1000) } else { body(3 * PART + at) };
        proxy.set(lost(wanted));
        let mut writer = store.writer(&key("k"), WriteOptions::new().part_size(PART as u64)).await?;
        writer.write(content[..content.len() / 2].to_vec()).await?;
        writer.write(content[content.len() / 2..].to_vec()).await?;
        let written = writer.finish().await?;
        assert_eq!(proxy.unmet(), [""; 0]);
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert!(read.bytes == content, "{wanted:?}");
        assert_eq!((written.etag, written.size), (read.metadata.etag, read.metadata.size));
    }
    Ok(())
}

/// The token proves that the object is ours, although the condition fails by then.
async fn lost_answer_under_a_condition(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for (at, wanted) in [Call::Write, Call::Finish, Call::Part].into_iter().enumerate() {
        let content = if wanted == Call::Write { body(1000) } else { body(2 * PART) };
        let name = key(&format!("k{at}"));
        let mut options = WriteOptions::new().part_size(PART as u64).if_absent();
        for _ in 0..2 {
            proxy.set(lost(wanted));
            let mut writer = store.writer(&name, options).await?;
            writer.write(content.clone()).await?;
            let written = writer.finish().await?;
            assert_eq!(proxy.unmet(), [""; 0]);
            let read = store.read(&name, ReadOptions::new()).await?;
            assert!(read.bytes == content);
            assert_eq!((&written.etag, written.size), (&read.metadata.etag, read.metadata.size));
            let etag = written.etag.expect("an ETag");
            options = WriteOptions::new().part_size(PART as u64).if_match(etag);
        }
    }
    Ok(())
}

/// What is no answer of the service confirms nothing.
async fn no_etag(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for wanted in [Call::Write, Call::Part, Call::Finish] {
        let other = Rule::new(Fault::Answer(Answer::new(200)));
        proxy.set(Plan::new().rule(other.only(move |request| call(request) == Some(wanted))));
        let content = if wanted == Call::Write { body(1000) } else { body(2 * PART) };
        let mut writer = store.writer(&key("k"), WriteOptions::new().part_size(PART as u64)).await?;
        let written = match writer.write(content).await {
            Ok(()) => writer.finish().await.map(drop),
            Err(failed) => Err(failed),
        };
        let failed = written.expect_err("nobody took it");
        assert!(
            failed.may_have_been_applied() && failed.to_string().contains("endpoint"),
            "{wanted:?} {failed}"
        );
        proxy.set(Plan::new());
        assert!(!store.exists(&key("k")).await?);
    }
    Ok(())
}

/// What somebody began and left: a block, and no blob.
async fn begin(place: &Place, name: &str, id: &str) -> Outcome {
    let id = BASE64.encode(id).replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
    let query = format!("comp=block&blockid={id}");
    let answer = place.raw(SignedMethod::Put, name, &query, &[], body(10)).await?;
    assert_eq!(answer.status(), 201, "{}", answer.text().await?);
    Ok(())
}

async fn leftovers(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let source = store.write(&key("from"), "source", WriteOptions::new()).await?;
    for name in ["once", "empty", "parts", "copy", "anyhow"] {
        let abandoned = upload(&place, name).await?;
        abandoned.part(part(0)).await?;
        abandoned.abort().await?;
        assert!(!store.exists(&key(name)).await?);
    }
    let absent = || WriteOptions::new().if_absent().content_type("text/x").user_metadata("a-b", "c");
    let once = store.write(&key("once"), body(10), absent()).await?;
    assert_eq!(store.stat(&key("once"), StatOptions::new()).await?.attributes, once.attributes);
    assert_eq!(once.etag, store.stat(&key("once"), StatOptions::new()).await?.etag);
    store.write(&key("empty"), "", absent()).await?;
    store.write(&key("parts"), body(3 * PART), absent().part_size(PART as u64)).await?;
    store.copy(&key("from"), &key("copy"), CopyOptions::new().if_absent()).await?;
    store.write(&key("anyhow"), "x", WriteOptions::new()).await?;
    for (name, content) in
        [("once", body(10)), ("empty", vec![]), ("parts", body(3 * PART)), ("copy", b"source".to_vec())]
    {
        assert!(store.read(&key(name), ReadOptions::new()).await?.bytes == content, "{name}");
        let again = store.write(&key(name), "y", absent()).await.expect_err("it is there");
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{again}");
        let copied = store.copy(&key("from"), &key(name), CopyOptions::new().if_absent()).await;
        let again = copied.expect_err("it is there");
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{again}");
    }
    assert_eq!(store.stat(&key("from"), StatOptions::new()).await?.etag, source.etag);
    // Nothing stands there that could match.
    let abandoned = upload(&place, "match").await?;
    abandoned.part(part(0)).await?;
    let etag = source.etag.expect("an ETag");
    let failed =
        store.write(&key("match"), "x", WriteOptions::new().if_match(etag)).await.expect_err("nothing");
    assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
    assert!(!failed.may_have_been_applied());
    Ok(())
}

async fn leftovers_lost(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for (at, wanted) in [Call::Finish, Call::Part, Call::Stat].into_iter().enumerate() {
        let name = format!("k{at}");
        begin(&place, &name, &"0".repeat(48)).await?;
        proxy.set(lost(wanted));
        match store.write(&key(&name), body(10), WriteOptions::new().if_absent()).await {
            Ok(_) => assert!(store.read(&key(&name), ReadOptions::new()).await?.bytes == body(10)),
            // Nobody could look whether it was there.
            Err(failed) if wanted == Call::Stat => assert_eq!(failed.kind(), ErrorKind::AlreadyExists),
            Err(failed) => panic!("{wanted:?}: {failed}"),
        }
    }
    Ok(())
}

async fn failed_condition(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let old = WriteOptions::new().content_type("text/old").user_metadata("who", "old");
    let first = store.write(&key("k"), "first", old.clone()).await?;
    let second = store.write(&key("k"), "second", old).await?;
    let new = || WriteOptions::new().content_type("text/new").part_size(PART as u64);
    let stale = first.etag.expect("an ETag");
    for (options, kind) in [
        (new().if_absent(), ErrorKind::AlreadyExists),
        (new().if_match(stale), ErrorKind::PreconditionFailed),
    ] {
        for content in [body(10), body(9 << 20)] {
            let failed = store.write(&key("k"), content, options.clone()).await.expect_err("a condition");
            assert_eq!(failed.kind(), kind, "{failed}");
            assert!(!failed.may_have_been_applied(), "{failed}");
            let read = store.read(&key("k"), ReadOptions::new()).await?;
            assert_eq!(&read.bytes[..], b"second");
            assert_eq!((&read.metadata.etag, &read.metadata.attributes), (&second.etag, &second.attributes));
        }
    }
    Ok(())
}

async fn many(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let content = body(300 * 100 + 1);
    let mut writer = store.writer(&key("k"), WriteOptions::new().part_size(100).concurrency(16)).await?;
    for piece in content.chunks(777) {
        writer.write(piece.to_vec()).await?;
    }
    let written = writer.finish().await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert!(read.bytes == content);
    assert_eq!((written.size, written.etag), (30_001, read.metadata.etag));
    Ok(())
}

/// All uncommitted blocks of a blob have names of one length: those of a stranger keep ours out.
async fn another_length(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?.with_retry(RetryPolicy::default().attempts(2));
    begin(&place, "k", "short").await?;
    let failed = store.write(&key("k"), body(9 << 20), WriteOptions::new()).await.expect_err("in the way");
    let line = failed.to_string();
    assert!(line.contains("InvalidBlobOrBlock") && line.contains("another program"), "{line}");
    assert_eq!((failed.kind(), failed.attempts()), (ErrorKind::Unavailable, 1), "{line}");
    assert!(!failed.may_have_been_applied(), "{line}");
    // A whole blob in their place removes them.
    store.write(&key("k"), "x", WriteOptions::new()).await?;
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"x");
    // Where something must be absent, one request does not do.
    begin(&place, "l", "short").await?;
    let once = store.write(&key("l"), "x", WriteOptions::new().if_absent()).await.expect_err("in the way");
    assert!(once.to_string().contains("another program"), "{once}");
    Ok(())
}

/// Damaged behind the place where the service checks.
async fn told_checksum(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let other = Answer::new(201).header("etag", "\"e\"").header("x-ms-content-crc64", "AAAAAAAAAAA=");
    for wanted in [Call::Write, Call::Part] {
        let rule =
            Rule::new(Fault::Replace(other.clone())).only(move |request| call(request) == Some(wanted));
        proxy.set(Plan::new().rule(rule));
        let content = if wanted == Call::Write { body(1000) } else { body(2 * PART) };
        let mut writer = store.writer(&key("k"), WriteOptions::new().part_size(PART as u64)).await?;
        let written = match writer.write(content).await {
            Ok(()) => writer.finish().await.map(drop),
            Err(failed) => Err(failed),
        };
        let failed = written.expect_err("another checksum");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{wanted:?}: {failed}");
        assert!(failed.may_have_been_applied(), "{wanted:?}: {failed}");
        assert_eq!(proxy.unmet(), [""; 0]);
    }
    Ok(())
}

async fn refused_checksum(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let answer = Answer::new(400).header("x-ms-error-code", "Crc64Mismatch");
    for wanted in [Call::Write, Call::Part] {
        let rule = Rule::new(Fault::Answer(answer.clone())).nth(0..1);
        proxy.set(Plan::new().rule(rule.only(move |request| call(request) == Some(wanted))));
        let content = if wanted == Call::Write { body(1000) } else { body(9 << 20) };
        store.write(&key("k"), content.clone(), WriteOptions::new()).await?;
        assert_eq!(proxy.unmet(), [""; 0]);
        assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == content);
    }
    Ok(())
}
