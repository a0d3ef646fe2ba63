//! An upload as `Store` uses it, and as it might be used worse.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Close, Fault, Plan, Rule};
use storage_core::{
    Backend, ErrorKind, Part, Payload, Prefix, ReadOptions, Store, Upload, WriteOptions, WriteRequest,
};
use storage_s3::S3;

use crate::run::{Outcome, Place, body, key, on};
use crate::support::dialect::call;
use crate::support::{CEPH, SEAWEEDFS, config};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(SEAWEEDFS, "uploads/finished-twice", finished_twice),
        on(CEPH, "uploads/finished-twice-on-ceph", finished_twice),
        on(SEAWEEDFS, "uploads/given-up-twice", given_up_twice),
        on(CEPH, "uploads/given-up-twice-on-ceph", given_up_twice),
        on(SEAWEEDFS, "uploads/given-up-while-parts-are-under-way", given_up_early),
        on(SEAWEEDFS, "uploads/parts-that-do-not-add-up", gap),
        on(SEAWEEDFS, "uploads/a-lost-answer-under-a-condition", lost_answer),
        on(SEAWEEDFS, "uploads/an-answer-without-an-etag", no_etag),
    ]
}

const PART: usize = 5 << 20;

async fn upload(
    place: &Place,
    endpoint: &str,
    name: &str,
) -> Result<(Store, Box<dyn Upload>), libtest_mimic::Failed> {
    let backend = Arc::new(S3::open(config(place.bucket, endpoint).cleanup_age(Duration::ZERO)).await?);
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let upload = backend.upload(&key(&place.full(name)), &request).await?;
    Ok((Store::from_arc(backend).scoped(&Prefix::directory(&place.name)?)?, upload))
}

fn part(number: u64) -> Part {
    Part::new(number, number * PART as u64, Payload::from(body(PART)))
}

async fn nothing_left(store: &Store) -> Outcome {
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (0, 0));
    Ok(())
}

async fn finished_twice(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (store, upload) = upload(&place, &endpoint, "k").await?;
    upload.part(part(1)).await?;
    upload.part(part(0)).await?;
    // The same part again, as after a lost answer.
    upload.part(part(1)).await?;
    let size = 2 * PART as u64;
    let first = upload.finish(size).await?;
    match upload.finish(size).await {
        Ok(again) => assert_eq!(again.etag, first.etag),
        Err(gone) => assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}"),
    }
    upload.abort().await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert!(read.bytes == [body(PART), body(PART)].concat());
    assert_eq!(read.metadata.etag, first.etag);
    nothing_left(&store).await
}

async fn given_up_twice(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (store, upload) = upload(&place, &endpoint, "k").await?;
    upload.part(part(0)).await?;
    upload.abort().await?;
    upload.abort().await?;
    let late = upload.part(part(1)).await.expect_err("it was given up");
    assert_eq!(late.kind(), ErrorKind::NotFound, "{late}");
    // Ceph takes it for one that somebody else is finishing.
    upload.finish(PART as u64).await.expect_err("it was given up");
    assert!(!store.exists(&key("k")).await?);
    nothing_left(&store).await
}

async fn given_up_early(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let (store, upload) = upload(&place, &format!("http://{}", proxy.address()), "k").await?;
    let slow = Rule::new(Fault::Delay(Duration::from_millis(300)));
    proxy.set(Plan::new().rule(slow.only(|request| call(request) == Some(Call::Part))));
    let parts = async { tokio::join!(upload.part(part(0)), upload.part(part(1))) };
    let abort = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        upload.abort().await
    };
    let (_, aborted) = tokio::join!(parts, abort);
    aborted?;
    // What came too late for the first is taken by the second.
    upload.abort().await?;
    nothing_left(&store).await
}

async fn gap(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (store, upload) = upload(&place, &endpoint, "k").await?;
    upload.part(part(0)).await?;
    upload.part(part(2)).await?;
    for size in [2 * PART as u64, 3 * PART as u64, 0] {
        let failed = upload.finish(size).await.expect_err("a part is missing");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
        assert!(!failed.may_have_been_applied());
    }
    upload.abort().await?;
    nothing_left(&store).await
}

/// The token proves that the object is ours, although the condition fails by then.
async fn lost_answer(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.cleanup_age(Duration::ZERO)).await?;
    for wanted in [Call::Write, Call::Finish] {
        let old = store.write(&key("k"), "old", WriteOptions::new()).await?.etag.expect("an ETag");
        let lost = Rule::new(Fault::LoseResponse(Close::Reset)).nth(0..1);
        proxy.set(Plan::new().rule(lost.only(move |request| call(request) == Some(wanted))));
        let content = if wanted == Call::Write { body(1000) } else { body(2 * PART) };
        let options = WriteOptions::new().if_match(old).part_size(PART as u64);
        let mut writer = store.writer(&key("k"), options).await?;
        writer.write(content.clone()).await?;
        let written = writer.finish().await?;
        assert_eq!(proxy.unmet(), [""; 0]);
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert!(read.bytes == content);
        assert_eq!((written.etag, written.size), (read.metadata.etag, read.metadata.size));
        proxy.set(Plan::new());
    }
    nothing_left(&store).await
}

/// What is no answer of the service confirms nothing.
async fn no_etag(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.cleanup_age(Duration::ZERO)).await?;
    for wanted in [Call::Write, Call::Part] {
        let other = Rule::new(Fault::Answer(Answer::new(200)));
        proxy.set(Plan::new().rule(other.only(move |request| call(request) == Some(wanted))));
        let content = if wanted == Call::Write { body(1000) } else { body(2 * PART) };
        let options = WriteOptions::new().part_size(PART as u64);
        let mut writer = store.writer(&key("k"), options).await?;
        let written = match writer.write(content).await {
            Ok(()) => writer.finish().await.map(drop),
            Err(failed) => Err(failed),
        };
        let failed = written.expect_err("nobody took it");
        assert!(failed.may_have_been_applied() && failed.to_string().contains("endpoint"), "{failed}");
        proxy.set(Plan::new());
        assert!(!store.exists(&key("k")).await?);
    }
    Ok(())
}
