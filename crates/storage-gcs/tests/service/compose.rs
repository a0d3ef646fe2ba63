//! Uploads by parts that are put together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use libtest_mimic::{Failed, Trial};
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Close, Fault, Plan, Rule};
use storage_core::{
    Algorithm, Backend, ErrorKind, ListOptions, Part, Payload, Prefix, ReadOptions, Store, TakenPart, Upload,
    WriteOptions, WriteRequest,
};
use storage_gcs::{Config, Gcs, Uploads};

use crate::run::{Outcome, Place, body, encode, key, on};
use crate::support::config;
use crate::support::dialect::call;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("compose/of-few-and-of-many-parts", counts),
        on("compose/given-up", given_up),
        on("compose/given-up-where-versions-are-kept", given_up_versions),
        on("compose/a-condition-that-fails-at-the-end", condition),
        on("compose/lost-answers", lost),
        on("compose/a-lost-answer-under-a-condition", lost_condition),
        on("compose/parts-that-do-not-add-up", gap),
        on("compose/clean-up", cleanup),
        on("compose/hidden-in-listings", hidden),
        on("compose/another-process-goes-on", another_process),
    ]
}

fn composing(config: Config) -> Config {
    config.uploads(Uploads::Compose).part_size(1 << 20).cleanup_age(Duration::ZERO)
}

/// An upload, and how the names of its parts begin.
async fn upload(place: &Place, name: &str) -> Result<(Store, Box<dyn Upload>, String), Failed> {
    let backend = Arc::new(Gcs::open(composing(config(place.bucket, &place.endpoint))).await?);
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let upload = backend.upload(&key(&place.full(name)), &request).await?;
    let store = Store::from_arc(backend).scoped(&Prefix::directory(&place.name)?)?;
    Ok((store, upload, format!(".haul-part-{}-", request.token)))
}

fn part(number: u64) -> Part {
    Part::new(number, number * 1000, Payload::from(vec![number as u8; 1000]))
}

async fn nothing_left(store: &Store) -> Outcome {
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (0, 0));
    Ok(())
}

/// Put together at once, in two steps and in three.
async fn counts(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for count in [1, 2, 32, 33, 64, 1024, 1025, 1100] {
        let (store, upload, parts) = upload(&place, "k").await?;
        // In any order, and some of them twice.
        for number in (0..count).rev() {
            upload.part(part(number)).await?;
            if number % 100 == 0 {
                upload.part(part(number)).await?;
            }
        }
        let written = upload.finish(count * 1000).await?;
        let content: Vec<u8> = (0..count).flat_map(|number| vec![number as u8; 1000]).collect();
        assert_eq!(written.checksums.get(Algorithm::Crc32c), Some(Algorithm::Crc32c.digest(&content)));
        assert_eq!(written.checksums.get(Algorithm::Md5), None);
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert!(read.bytes == content, "{count}");
        assert_eq!(read.metadata, written, "{count}");
        assert_eq!(place.names(&parts).await?, [""; 0], "{count}");
        nothing_left(&store).await?;
    }
    Ok(())
}

/// With what a finish that failed on its last request has put together.
async fn given_up(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    given_up_in(&place).await
}

async fn given_up_versions(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    given_up_in(&place).await
}

async fn given_up_in(place: &Place) -> Outcome {
    for count in [3, 40, 1100] {
        let proxy = place.proxy();
        let direct = place.store(composing).await?;
        let backend =
            Gcs::open(composing(config(place.bucket, &format!("http://{}", proxy.address())))).await?;
        let mut request = WriteRequest::default();
        request.token = format!("{:032x}", fastrand::u128(..));
        let upload = backend.upload(&key(&place.full("k")), &request).await?;
        for number in 0..count {
            upload.part(part(number)).await?;
        }
        let refused = Rule::new(Fault::Answer(Answer::new(503))).target("/compose");
        let whole = encode(&place.full("k"));
        let refused = refused.only(move |request| encode_target(&request.target).contains(&whole));
        proxy.set(Plan::new().rule(refused));
        upload.finish(count * 1000).await.expect_err("the last step fails");
        upload.finish(count * 1000).await.expect_err("it still fails");
        assert_eq!(proxy.unmet(), [""; 0]);
        upload.abort().await?;
        upload.abort().await?;
        drop(upload);
        assert!(!direct.exists(&key("k")).await?);
        let parts = format!(".haul-part-{}-", request.token);
        // Old generations of what was made twice are no part of a live listing: a clean-up finds them.
        if place.bucket == "haul" {
            assert_eq!(place.names(&parts).await?, [""; 0], "{count}");
        }
        direct.cleanup(&Prefix::root()).await?;
        assert_eq!(place.names(&parts).await?, [""; 0], "{count} after a clean-up");
    }
    Ok(())
}

/// With the same characters encoded, whoever encoded it.
fn encode_target(target: &str) -> String {
    target
        .split('/')
        .map(|s| encode(&percent_encoding::percent_decode_str(s).decode_utf8_lossy()))
        .collect::<Vec<_>>()
        .join("/")
}

async fn condition(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(composing).await?;
    for absent in [true, false] {
        let old = store.write(&key("k"), "old", WriteOptions::new()).await?;
        let options = WriteOptions::new().part_size(1 << 20).content_type("text/new");
        let (options, kind) = match absent {
            true => (options.if_absent(), ErrorKind::AlreadyExists),
            false => (options.if_match(old.etag.expect("an ETag")), ErrorKind::PreconditionFailed),
        };
        let mut writer = store.writer(&key("k"), options).await?;
        writer.write(body(3 << 20)).await?;
        // Somebody else is faster.
        let other = store.write(&key("k"), "other", WriteOptions::new()).await?;
        let failed = writer.finish().await.expect_err("the condition fails");
        assert_eq!(failed.kind(), kind, "{failed}");
        assert!(!failed.may_have_been_applied(), "{failed}");
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert_eq!(&read.bytes[..], b"other");
        assert_eq!(read.metadata, other);
        nothing_left(&store).await?;
    }
    Ok(())
}

async fn lost(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let content = body(5 << 20);
    for wanted in [Call::Part, Call::Finish, Call::Abort] {
        for fault in [Fault::LoseResponse(Close::Reset), Fault::Replace(Answer::new(503)), Fault::ResetBefore]
        {
            let proxy = place.proxy();
            let store = place.through(&proxy, composing).await?;
            let rule = Rule::new(fault).only(move |request| call(request) == Some(wanted)).nth(0..2);
            proxy.set(Plan::new().rule(rule));
            let options = WriteOptions::new().part_size(1 << 20);
            store.write(&key("k"), content.clone(), options).await?;
            assert_eq!(proxy.unmet(), [""; 0]);
            assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == content, "{wanted:?}");
            // Of what cannot be removed a clean-up finds the rest.
            store.cleanup(&Prefix::root()).await?;
            nothing_left(&store).await?;
        }
    }
    Ok(())
}

/// The object is known for ours by its token; its parts are of no more use.
async fn lost_condition(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let content = body(5 << 20);
    for replaced in [false, true] {
        let proxy = place.proxy();
        let store = place.through(&proxy, composing).await?;
        let options = WriteOptions::new().part_size(1 << 20);
        let options = match replaced {
            true => {
                let old = store.write(&key("k"), "old", WriteOptions::new()).await?;
                options.if_match(old.etag.expect("an ETag"))
            }
            false => options.if_absent(),
        };
        let lost = Rule::new(Fault::LoseResponse(Close::Reset)).nth(0..1);
        proxy.set(Plan::new().rule(lost.only(|request| call(request) == Some(Call::Finish))));
        let written = store.write(&key("k"), content.clone(), options).await?;
        assert_eq!(proxy.unmet(), [""; 0]);
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert!(read.bytes == content);
        assert_eq!(read.metadata.etag, written.etag);
        nothing_left(&store).await?;
    }
    Ok(())
}

async fn gap(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (store, upload, _) = upload(&place, "k").await?;
    upload.part(part(0)).await?;
    upload.part(part(2)).await?;
    for size in [2000, 3000, 0] {
        let failed = upload.finish(size).await.expect_err("a part is missing");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
        assert!(!failed.may_have_been_applied());
    }
    upload.abort().await?;
    assert!(!store.exists(&key("k")).await?);
    nothing_left(&store).await
}

async fn cleanup(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let (_, left, left_parts) = upload(&place, "left/k").await?;
    let (ours, ongoing, ongoing_parts) = upload(&place, "ongoing/k").await?;
    for number in 0..3 {
        left.part(part(number)).await?;
        ongoing.part(part(number)).await?;
    }
    // Nobody aborted it: its process ended.
    drop(left);
    let careful = place.store(|c| composing(c).cleanup_age(Duration::from_secs(3600))).await?;
    let report = careful.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (0, 6), "others' parts are fresh");
    let elsewhere = ours.cleanup(&Prefix::new("elsewhere/")?).await?;
    assert_eq!((elsewhere.removed, elsewhere.in_use), (0, 0));
    let report = ours.cleanup(&Prefix::root()).await?;
    assert_eq!(
        (report.removed, report.in_use, report.bytes),
        (3, 3, 3000),
        "an upload of this store goes on"
    );
    assert_eq!(place.names(&left_parts).await?, [""; 0]);
    assert_eq!(place.names(&ongoing_parts).await?.len(), 3);
    ongoing.finish(3000).await?;
    assert_eq!(ours.read(&key("ongoing/k"), ReadOptions::new()).await?.bytes.len(), 3000);
    nothing_left(&ours).await
}

/// In a bucket of its own, since parts lie at the root.
async fn hidden(endpoint: String) -> Outcome {
    const BUCKET: &str = "haul-hidden";
    Place::in_bucket(&endpoint, BUCKET, false).await;
    let store = Store::new(Gcs::open(composing(config(BUCKET, &endpoint))).await?);
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let backend = Gcs::open(composing(config(BUCKET, &endpoint))).await?;
    let upload = backend.upload(&key("k"), &request).await?;
    upload.part(part(0)).await?;
    upload.part(part(1)).await?;
    for name in ["a", ".haul-part-x", "b/.haul-part-0f-1"] {
        store.write(&key(name), "x", WriteOptions::new()).await?;
    }
    let names = async |options: ListOptions, prefix: &str| {
        let listed: Vec<_> = store.list(&Prefix::new(prefix)?, options).try_collect().await?;
        Ok::<_, Failed>(listed.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(names(ListOptions::new(), "").await?, [".haul-part-x", "a", "b/.haul-part-0f-1"]);
    assert_eq!(names(ListOptions::new().delimiter('/'), "").await?, [".haul-part-x", "a", "b/"]);
    assert_eq!(names(ListOptions::new(), ".haul-part-").await?, [".haul-part-x"]);
    // Groups that hold nothing but parts are none.
    assert_eq!(names(ListOptions::new().delimiter('-'), "").await?, [".haul-", "a", "b/.haul-"]);
    store.delete(key(".haul-part-x")).await?;
    for delimiter in ['-', 'h', 'p'] {
        let listed = names(ListOptions::new().delimiter(delimiter), "").await?;
        assert!(!listed.iter().any(|name| name.starts_with('.')), "{listed:?}");
        assert_eq!(names(ListOptions::new().delimiter(delimiter), ".haul-part-").await?, [""; 0]);
    }
    let hidden = key(&format!(".haul-part-{}-0", request.token));
    let refused = store.read(&hidden, ReadOptions::new()).await.expect_err("it is no object yet");
    assert_eq!(refused.kind(), ErrorKind::InvalidKey, "{refused}");
    upload.finish(2000).await?;
    for name in ["k", "a", ".haul-part-x", "b/.haul-part-0f-1"] {
        store.delete(key(name)).await?;
    }
    Ok(())
}

/// With the parts that the service has and proves, and no other.
async fn another_process(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let open = || Gcs::open(composing(config(place.bucket, &place.endpoint)));
    let (store, name) = (place.store(composing).await?, key(&place.full("k")));
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let first = open().await?;
    let upload = first.upload(&name, &request).await?;
    for number in [0, 1, 3] {
        upload.part(part(number)).await?;
    }
    let kept = upload.keep().expect("parts are objects");
    let taken = |number| TakenPart::new(&part(number), upload.receipt(number));
    let (zero, one, three) = (taken(0), taken(1), taken(3));
    assert_eq!(upload.receipt(2), "", "it was not sent");
    let backend = open().await?;
    assert!(backend.resume(&name, &request, "another", std::slice::from_ref(&zero)).await?.is_none());
    let mut other = request.clone();
    other.token = format!("{:032x}", fastrand::u128(..));
    assert!(backend.resume(&name, &other, &other.token, std::slice::from_ref(&zero)).await?.is_none());
    let told = [zero.clone(), one.clone(), TakenPart::new(&part(2), one.receipt.clone()), three.clone()];
    let resumed = backend.resume(&name, &request, &kept, &told).await?.expect("parts are there");
    assert_eq!(resumed.parts, [0, 1, 3]);
    let upload = resumed.upload;
    upload.part(part(2)).await?;
    assert_eq!(upload.finish(4000).await?.size, 4000);
    let whole: Vec<u8> = (0..4).flat_map(|number| vec![number as u8; 1000]).collect();
    assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == whole);
    assert!(
        backend.resume(&name, &request, &kept, std::slice::from_ref(&zero)).await?.is_none(),
        "they are gone"
    );
    // What proves nothing goes at once, and one that is given up leaves nothing.
    let mut other_bytes = one.clone();
    other_bytes.receipt.clone_from(&zero.receipt);
    let mut shorter = three;
    shorter.length -= 1;
    let left = format!(".haul-part-{}-", request.token);
    let upload = first.upload(&name, &request).await?;
    for number in [0, 1, 3] {
        upload.part(part(number)).await?;
    }
    drop(upload);
    let told = [zero, other_bytes, shorter];
    let resumed = backend.resume(&name, &request, &kept, &told).await?.expect("a part is there");
    assert_eq!(resumed.parts, [0]);
    assert_eq!(place.names(&left).await?.len(), 1);
    resumed.upload.abort().await?;
    assert_eq!(place.names(&left).await?, [""; 0]);
    Ok(())
}
