//! Copies of large objects that were cut off, and go on in the next process.

use libtest_mimic::Trial;
use storage_conformance::fault::{FaultLayer, Plan as Faults};
use storage_conformance::proxy::{Answer, Fault, Plan, Rule};
use storage_core::{ErrorKind, Journal, ReadOptions, TransferOptions, WriteOptions};
use storage_gcs::{Config, Uploads};

use crate::run::{Outcome, Place, body, key, on};

pub(crate) fn tests() -> Vec<Trial> {
    vec![on("resumed/by-sessions", sessions), on("resumed/by-parts-put-together", compositions)]
}

const PART: u64 = 8 << 20;
const SIZE: usize = (40 << 20) + 5;

async fn sessions(endpoint: String) -> Outcome {
    goes_on(&Place::new(&endpoint).await, |config| config.part_size(PART)).await
}

async fn compositions(endpoint: String) -> Outcome {
    goes_on(&Place::new(&endpoint).await, |config| config.part_size(PART).uploads(Uploads::Compose)).await
}

async fn goes_on(place: &Place, settings: fn(Config) -> Config) -> Outcome {
    let content = body(SIZE);
    let direct = place.store(settings).await?;
    direct.write(&key("a"), content.clone(), WriteOptions::new()).await?;
    // As another service's, whose bytes are carried.
    let source = direct.layer(&FaultLayer::new(Faults::new()));
    let (proxy, journal) = (place.proxy(), tempfile::tempdir()?);
    let entries = || std::fs::read_dir(journal.path()).map(Iterator::count);
    let options = || TransferOptions::new().concurrency(1).resume(Journal::new(journal.path()), "test");
    let denied = Rule::new(Fault::Answer(Answer::new(403))).target("/upload/").nth(4..u64::MAX);
    proxy.set(Plan::new().rule(denied));
    let to = place.through(&proxy, settings).await?;
    let cut = source.copy_to(&key("a"), &to, &key("b"), options()).await.expect_err("it is refused");
    assert_eq!(cut.kind(), ErrorKind::PermissionDenied, "{cut}");
    assert_eq!(entries()?, 1);
    assert!(!direct.exists(&key("b")).await?);
    proxy.set(Plan::new());
    proxy.forget();
    let to = place.through(&proxy, settings).await?;
    let copied = source.copy_to(&key("a"), &to, &key("b"), options()).await?;
    assert!(copied.verified);
    let sent: u64 = proxy.requests().iter().map(|request| request.sent).sum();
    assert!(
        sent < SIZE as u64 - 2 * PART,
        "{sent} bytes were sent, of which at least three parts were there"
    );
    assert!(direct.read(&key("b"), ReadOptions::new()).await?.bytes == content);
    assert_eq!(entries()?, 0);
    Ok(())
}
