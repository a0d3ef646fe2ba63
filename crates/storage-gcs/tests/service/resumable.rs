//! Uploads by sessions of the service, on a line that breaks.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Close, ConnectionFault, Fault, Plan, Proxy, Rule};
use storage_core::{
    Backend, Condition, ErrorKind, Part, Payload, Prefix, ReadOptions, Store, TakenPart, Upload,
    WriteOptions, WriteRequest,
};
use storage_gcs::{Config, Gcs};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::config;
use crate::support::dialect::call;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("resumable/lost-answers", lost_answers),
        on("resumable/lost-answers-under-a-condition", lost_conditions),
        on("resumable/a-request-that-is-cut", cut),
        on("resumable/a-session-that-ends", ends),
        on("resumable/finished-twice", finished_twice),
        on("resumable/given-up-twice", given_up_twice),
        on("resumable/parts-that-do-not-follow", gap),
        on("resumable/dropped-in-the-middle", dropped),
        on("resumable/sizes-around-the-quantum", sizes),
        on("resumable/another-process-goes-on", another_process),
        on("resumable/another-process-behind-a-lost-answer", another_process_in_doubt),
        on("resumable/another-process-with-other-bytes", another_process_with_other_bytes),
    ]
}

const MIB: usize = 1 << 20;
const QUANTUM: usize = 256 << 10;

/// Three parts are no one-shot write.
fn small(config: Config) -> Config {
    config.part_size(MIB as u64)
}

async fn is_there(place: &Place, name: &str, content: &[u8]) -> Outcome {
    let read = place.store(|c| c).await?.read(&key(name), ReadOptions::new()).await?;
    assert!(read.bytes == content, "{name}: {} of {} bytes, or others", read.bytes.len(), content.len());
    Ok(())
}

/// Answers that are lost once, or several times in a row, by reset or by a clean end, or that a gateway replaces.
async fn lost_answers(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let faults = [
        Fault::LoseResponse(Close::Reset),
        Fault::LoseResponse(Close::Clean),
        Fault::Replace(Answer::new(504)),
        Fault::Replace(Answer::new(408)),
        Fault::Replace(Answer::new(429)),
        Fault::ResetBefore,
        Fault::Answer(Answer::new(503)),
    ];
    let content = body(3 * MIB + 12345);
    for (at, fault) in faults.into_iter().enumerate() {
        for wanted in [Call::Upload, Call::Part, Call::Finish] {
            for times in [0..1, 1..2, 0..3] {
                // There is one start, and one finish.
                if wanted != Call::Part && times.start > 0 {
                    continue;
                }
                let proxy = place.proxy();
                let store = place.through(&proxy, small).await?;
                let rule = Rule::new(fault.clone()).only(move |request| call(request) == Some(wanted));
                proxy.set(Plan::new().rule(rule.nth(times.clone())));
                let name = format!("k-{at}-{wanted:?}-{}", times.end);
                let options = WriteOptions::new().part_size(MIB as u64);
                let written = store.write(&key(&name), content.clone(), options).await?;
                assert_eq!(proxy.unmet(), [""; 0], "{name}");
                assert_eq!(written.size, content.len() as u64);
                is_there(&place, &name, &content).await?;
                let stands = place.resource(&name).await?;
                let etag = written.etag.expect("an ETag");
                assert_eq!(etag.as_str().trim_matches('"'), stands["generation"], "{name} was made twice");
            }
        }
    }
    Ok(())
}

/// The session itself tells whether the lost request made the object: nothing is made twice.
async fn lost_conditions(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let content = body(3 * MIB + 1);
    for replaced in [false, true] {
        let proxy = place.proxy();
        let store = place.through(&proxy, small).await?;
        let name = format!("k-{replaced}");
        let options = WriteOptions::new().part_size(MIB as u64);
        let options = if replaced {
            let old = store.write(&key(&name), "old", WriteOptions::new()).await?;
            options.if_match(old.etag.expect("an ETag"))
        } else {
            options.if_absent()
        };
        let lost = Rule::new(Fault::LoseResponse(Close::Reset)).nth(0..1);
        proxy.set(Plan::new().rule(lost.only(|request| call(request) == Some(Call::Finish))));
        store.write(&key(&name), content.clone(), options.clone()).await?;
        assert_eq!(proxy.unmet(), [""; 0]);
        is_there(&place, &name, &content).await?;
        let generations = place.names(&place.full(&name)).await?.len();
        assert_eq!(generations, 1 + usize::from(replaced));
        let again = store.write(&key(&name), body(3 * MIB), options).await.expect_err("it does not hold");
        let kind = if replaced { ErrorKind::PreconditionFailed } else { ErrorKind::AlreadyExists };
        assert_eq!(again.kind(), kind, "{again}");
        is_there(&place, &name, &content).await?;
    }
    Ok(())
}

async fn cut(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let content = body(3 * MIB + 12345);
    for after in [100, 2_000, 500_000, 1_200_000, 2_500_000, 3_150_000] {
        for close in [Close::Reset, Close::Clean] {
            let proxy = place.proxy();
            proxy.set(Plan::new().connection(0..2, ConnectionFault::CutUp { after, close }));
            let store = place.through(&proxy, small).await?;
            let options = WriteOptions::new().part_size(MIB as u64);
            store.write(&key("k"), content.clone(), options).await?;
            assert_eq!(proxy.unmet(), [""; 0]);
            is_there(&place, "k", &content).await?;
            place.store(|c| c).await?.delete(key("k")).await?;
        }
    }
    Ok(())
}

/// Nothing of it can be had back, and nothing is there.
async fn ends(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for status in [404, 410] {
        for (wanted, nth) in [(Call::Part, 1..2), (Call::Finish, 0..1)] {
            let proxy = place.proxy();
            let store = place.through(&proxy, small).await?;
            let gone = Rule::new(Fault::Answer(Answer::new(status)));
            let gone = gone.only(move |request| call(request) == Some(wanted)).nth(nth);
            proxy.set(Plan::new().rule(gone));
            let options = WriteOptions::new().part_size(MIB as u64);
            let failed = store.write(&key("k"), body(4 * MIB), options).await.expect_err("it is gone");
            assert_eq!(failed.kind(), ErrorKind::NotFound, "{failed}");
            assert!(!failed.may_have_been_applied(), "{failed}");
            assert_eq!(proxy.unmet(), [""; 0]);
            assert!(!place.store(|c| c).await?.exists(&key("k")).await?);
        }
    }
    Ok(())
}

async fn upload(place: &Place, proxy: &Proxy, name: &str) -> Result<(Store, Box<dyn Upload>), Failed> {
    let backend = Arc::new(Gcs::open(config(place.bucket, &format!("http://{}", proxy.address()))).await?);
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let upload = backend.upload(&key(&place.full(name)), &request).await?;
    Ok((Store::from_arc(backend).scoped(&Prefix::directory(&place.name)?)?, upload))
}

/// Parts of a length that is none of the session's.
const PART: usize = 300_000;

fn part(number: u64) -> Part {
    Part::new(number, number * PART as u64, Payload::from(body(PART)))
}

async fn finished_twice(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let (_, upload) = upload(&place, &proxy, "k").await?;
    upload.part(part(0)).await?;
    upload.part(part(1)).await?;
    // The same part again, as after a lost answer.
    upload.part(part(1)).await?;
    let size = 2 * PART as u64;
    let first = upload.finish(size).await?;
    assert_eq!(upload.finish(size).await?, first);
    upload.abort().await?;
    is_there(&place, "k", &[body(PART), body(PART)].concat()).await
}

async fn given_up_twice(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let (store, upload) = upload(&place, &proxy, "k").await?;
    upload.part(part(0)).await?;
    upload.abort().await?;
    upload.abort().await?;
    let late = upload.part(part(1)).await.expect_err("it was given up");
    assert_eq!(late.kind(), ErrorKind::NotFound, "{late}");
    upload.finish(PART as u64).await.expect_err("it was given up");
    assert!(!store.exists(&key("k")).await?);
    // Google says so in a status of its own.
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(499)))));
    let late = upload.part(part(1)).await.expect_err("it was given up");
    assert_eq!(late.kind(), ErrorKind::NotFound, "{late}");
    upload.abort().await?;
    Ok(())
}

async fn gap(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let (store, upload) = upload(&place, &proxy, "k").await?;
    upload.part(part(0)).await?;
    let failed = upload.part(part(2)).await.expect_err("a part is missing");
    assert_eq!(failed.kind(), ErrorKind::InvalidInput, "{failed}");
    for size in [2 * PART as u64, 3 * PART as u64, 0] {
        let failed = upload.finish(size).await.expect_err("a part is missing");
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
        assert!(!failed.may_have_been_applied());
    }
    upload.abort().await?;
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}

/// A part whose future goes at any moment can be sent again.
async fn dropped(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let (_, upload) = upload(&place, &proxy, "k").await?;
    for number in 0..8 {
        for wait in [1, 3, 5, 20] {
            let wait = std::time::Duration::from_millis(wait);
            let _ = tokio::time::timeout(wait, upload.part(part(number))).await;
        }
        upload.part(part(number)).await?;
    }
    let size = 8 * PART as u64;
    for wait in [1, 3, 5] {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(wait), upload.finish(size)).await;
    }
    upload.finish(size).await?;
    is_there(&place, "k", &body(PART).repeat(8)).await
}

async fn sizes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.part_size(1)).await?;
    let around = [1, QUANTUM - 1, QUANTUM, QUANTUM + 1, 2 * QUANTUM, 3 * QUANTUM + 7];
    for len in around {
        for part_size in [1, QUANTUM - 1, QUANTUM, QUANTUM + 1, 300_000] {
            let options = WriteOptions::new().part_size(part_size as u64);
            let mut writer = store.writer(&key("k"), options).await?;
            for chunk in body(len).chunks(100_000) {
                writer.write(chunk.to_vec()).await?;
            }
            assert_eq!(writer.finish().await?.size, len as u64);
            is_there(&place, "k", &body(len)).await?;
        }
    }
    Ok(())
}

/// A session, what tells of it, and a backend of another process.
async fn begun(place: &Place, parts: &[Part]) -> Result<(Gcs, WriteRequest, String, Vec<TakenPart>), Failed> {
    let open = || Gcs::open(small(config(place.bucket, &place.endpoint)));
    let mut request = WriteRequest::default();
    request.token = format!("{:032x}", fastrand::u128(..));
    let upload = open().await?.upload(&key(&place.full("k")), &request).await?;
    let kept = upload.keep().expect("the service keeps sessions");
    let mut taken = Vec::new();
    for part in parts {
        upload.part(part.clone()).await?;
        taken.push(TakenPart::new(part, upload.receipt(part.number)));
    }
    Ok((open().await?, request, kept, taken))
}

fn mib(number: u64) -> Part {
    let content = body(4 * MIB);
    let at = number as usize * MIB;
    Part::new(number, at as u64, Payload::from(content[at..at + MIB].to_vec()))
}

async fn another_process(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let name = key(&place.full("k"));
    let (backend, request, kept, taken) = begun(&place, &[mib(0), mib(1)]).await?;
    let resumed = backend.resume(&name, &request, &kept, &taken).await?.expect("the session is there");
    assert_eq!(resumed.parts, [0, 1]);
    resumed.upload.part(mib(2)).await?;
    resumed.upload.part(mib(3)).await?;
    let written = resumed.upload.finish(4 * MIB as u64).await?;
    assert_eq!(written.size, 4 * MIB as u64);
    is_there(&place, "k", &body(4 * MIB)).await?;
    // What is finished, given up or not a session is nothing to go on with.
    assert!(backend.resume(&name, &request, &kept, &taken).await?.is_none());
    assert!(backend.resume(&name, &request, "nonsense", &taken).await?.is_none());
    let (backend, request, kept, taken) = begun(&place, &[mib(0)]).await?;
    let resumed = backend.resume(&name, &request, &kept, &taken).await?.expect("the session is there");
    resumed.upload.abort().await?;
    assert!(backend.resume(&name, &request, &kept, &taken).await?.is_none());
    // Under another condition, or with other attributes, it would become another object: it is given up.
    for change in [0, 1] {
        let (backend, request, kept, taken) = begun(&place, &[mib(0)]).await?;
        let mut other = request.clone();
        match change {
            0 => other.condition = Condition::IfAbsent,
            _ => other.attributes.content_type = Some("text/csv".into()),
        }
        assert!(backend.resume(&name, &other, &kept, &taken).await?.is_none());
        assert!(backend.resume(&name, &request, &kept, &taken).await?.is_none(), "it was given up");
    }
    Ok(())
}

/// The last process did not learn that its last part was taken: what the service has beyond is not sent again.
async fn another_process_in_doubt(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let name = key(&place.full("k"));
    let (backend, request, kept, mut taken) = begun(&place, &[mib(0), mib(1), mib(2)]).await?;
    taken.pop();
    let resumed = backend.resume(&name, &request, &kept, &taken).await?.expect("the session is there");
    assert_eq!(resumed.parts, [0, 1]);
    resumed.upload.part(mib(2)).await?;
    resumed.upload.part(mib(3)).await?;
    resumed.upload.finish(4 * MIB as u64).await?;
    is_there(&place, "k", &body(4 * MIB)).await
}

/// What the last process sent is held against what this one tells, all of it.
async fn another_process_with_other_bytes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let name = key(&place.full("k"));
    let (backend, request, kept, mut taken) =
        begun(&place, &[mib(0), mib(3), mib(2)].map(renumbered)).await?;
    taken.truncate(1);
    let resumed = backend.resume(&name, &request, &kept, &taken).await?.expect("the session is there");
    assert_eq!(resumed.parts, [0]);
    for number in 1..4 {
        resumed.upload.part(mib(number)).await?;
    }
    let failed = resumed.upload.finish(4 * MIB as u64).await.expect_err("the second part is another one");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    assert!(!place.store(|c| c).await?.exists(&key("k")).await?, "it was published");
    Ok(())
}

/// The same bytes in the place of another part.
fn renumbered(part: Part) -> Part {
    match part.number {
        0 => part,
        3 => Part::new(1, MIB as u64, part.body),
        _ => Part::new(2, 2 * MIB as u64, part.body),
    }
}
