//! Copies above what one request may carry, which no test can afford to make: a proxy says that they are.

use std::time::Duration;

use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{
    Attributes, CopyOptions, CopyTarget, ErrorKind, Metadata, Prefix, ReadOptions, RetryPolicy, StatOptions,
    Store, TransferOptions, WriteOptions,
};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::dialect::call;
use crate::support::{CEPH, SEAWEEDFS};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(SEAWEEDFS, "copies/in-parts", in_parts),
        on(CEPH, "copies/in-parts-on-ceph", in_parts),
        on(SEAWEEDFS, "copies/in-parts-keep-conditions", conditions),
        on(SEAWEEDFS, "copies/in-parts-leave-nothing-behind", failed),
        on(SEAWEEDFS, "copies/in-parts-dropped", dropped),
        on(SEAWEEDFS, "copies/in-parts-of-a-source-that-changes", changed),
        on(CEPH, "copies/odd-keys", odd_keys),
        on(SEAWEEDFS, "copies/of-what-was-seen", seen),
        on(CEPH, "copies/of-what-was-seen-on-ceph", seen),
        on(SEAWEEDFS, "copies/refused-behind-a-success", refused_late),
    ]
}

/// What AWS says above 5 GiB, and what others say.
fn too_large(nth: usize) -> Rule {
    let (code, message) = [
        (
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ),
        ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
    ][nth];
    let answer =
        Answer::new(400).body(format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"));
    Rule::new(Fault::Answer(answer)).only(|request| call(request) == Some(Call::Copy))
}

fn parts(fault: Fault) -> Rule {
    Rule::new(fault).only(|r| call(r) == Some(Call::Part) && r.header("x-amz-copy-source").is_some())
}

struct Rig {
    place: Place,
    proxy: Proxy,
    /// Through the proxy, with every age of an upload old enough for a clean-up.
    store: Store,
}

impl Rig {
    async fn new(endpoint: &str, rules: impl IntoIterator<Item = Rule>) -> storage_core::Result<Self> {
        let place = Place::new(endpoint).await;
        let proxy = place.proxy();
        let store = place.through(&proxy, |c| c.cleanup_age(Duration::ZERO).tags("a=b")).await?;
        let store = store.with_retry(RetryPolicy::default().attempts(2));
        proxy.set(rules.into_iter().fold(Plan::new(), Plan::rule));
        Ok(Self { place, proxy, store })
    }

    fn count(&self, wanted: Call) -> usize {
        self.proxy.requests().iter().filter(|request| call(request) == Some(wanted)).count()
    }

    async fn source(&self) -> storage_core::Result<Metadata> {
        let options = WriteOptions::new().content_type("text/x").user_metadata("name", "käse");
        self.store.write(&key("from"), body(100_000), options).await
    }

    async fn copy(&self, options: CopyOptions) -> storage_core::Result<Metadata> {
        self.store.copy(&key("from"), &key("to"), options).await
    }

    async fn nothing_left(&self) -> storage_core::Result<()> {
        let report = self.store.cleanup(&Prefix::root()).await?;
        assert_eq!((report.removed, report.in_use), (0, 0));
        Ok(())
    }
}

async fn in_parts(endpoint: String) -> Outcome {
    for nth in 0..2 {
        let rig = Rig::new(&endpoint, [too_large(nth)]).await?;
        let source = rig.source().await?;
        let copied = rig.copy(CopyOptions::new()).await?;
        assert_eq!(rig.proxy.unmet(), [""; 0]);
        assert_eq!((rig.count(Call::Upload), rig.count(Call::Part), rig.count(Call::Finish)), (1, 1, 1));
        assert_eq!((copied.size, &copied.attributes), (100_000, &source.attributes));
        let read = rig.store.read(&key("to"), ReadOptions::new()).await?;
        assert!(read.bytes == body(100_000));
        assert_eq!(read.metadata, rig.store.stat(&key("to"), StatOptions::new()).await?);
        assert_eq!(read.metadata, copied);
        // The copy has not the source's token.
        assert_eq!(read.metadata.token, None);

        let attributes = Attributes::default();
        let bare = rig.copy(CopyOptions::new().attributes(attributes.clone())).await?;
        assert_eq!(bare.attributes, attributes);
        rig.nothing_left().await?;
    }
    Ok(())
}

async fn conditions(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint, [too_large(0)]).await?;
    let source = rig.source().await?;
    let old = rig.store.write(&key("to"), "old", WriteOptions::new()).await?;
    let failed = rig.copy(CopyOptions::new().if_absent()).await.expect_err("something stands there");
    assert_eq!(failed.kind(), ErrorKind::AlreadyExists, "{failed}");
    let etag = source.etag.clone().expect("an ETag");
    let failed = rig.copy(CopyOptions::new().if_match(etag)).await.expect_err("another ETag");
    assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
    assert_eq!(&rig.store.read(&key("to"), ReadOptions::new()).await?.bytes[..], b"old");
    rig.nothing_left().await?;
    let replaced = rig.copy(CopyOptions::new().if_match(old.etag.expect("an ETag"))).await?;
    assert_eq!(replaced.size, 100_000);
    Ok(())
}

async fn failed(endpoint: String) -> Outcome {
    let denied = Answer::new(403).body("<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
    let broken = Answer::new(503).body("<Error><Code>SlowDown</Code><Message>no</Message></Error>");
    for (answer, kind, tries) in [(denied, ErrorKind::PermissionDenied, 1), (broken, ErrorKind::Throttled, 2)]
    {
        let rig = Rig::new(&endpoint, [too_large(0), parts(Fault::Answer(answer))]).await?;
        rig.source().await?;
        let failed = rig.copy(CopyOptions::new()).await.expect_err("no part is copied");
        assert_eq!(failed.kind(), kind, "{failed}");
        assert!(!failed.may_have_been_applied(), "{failed}");
        assert_eq!((rig.count(Call::Upload), rig.count(Call::Abort)), (tries, tries));
        assert!(!rig.store.exists(&key("to")).await?);
        rig.nothing_left().await?;
    }
    // A lost answer of the finish: the object may be there, and nothing may be taken away.
    let lost = Rule::new(Fault::LoseResponse(storage_conformance::proxy::Close::Reset))
        .only(|request| call(request) == Some(Call::Finish))
        .nth(0..1);
    let rig = Rig::new(&endpoint, [too_large(0), lost]).await?;
    rig.source().await?;
    // A copy without a condition is repeated.
    assert_eq!(rig.copy(CopyOptions::new()).await?.size, 100_000);
    rig.nothing_left().await?;
    Ok(())
}

/// A copy that nobody waits for any more leaves an upload, which is nobody's then.
async fn dropped(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint, [too_large(0), parts(Fault::Stall)]).await?;
    rig.source().await?;
    let copy = tokio::time::timeout(Duration::from_secs(1), rig.copy(CopyOptions::new())).await;
    assert!(copy.is_err(), "the part stalls");
    assert_eq!(rig.count(Call::Part), 1);
    let report = rig.store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (1, 0), "left for a clean-up");
    rig.nothing_left().await?;
    Ok(())
}

/// Pinned to one version: another one is no part of the copy.
async fn changed(endpoint: String) -> Outcome {
    let wait = Fault::Delay(Duration::from_secs(1));
    let slow = Rule::new(wait).only(|request| call(request) == Some(Call::Upload)).nth(0..1);
    let rig = Rig::new(&endpoint, [too_large(0), slow]).await?;
    rig.source().await?;
    let direct = rig.place.store(|c| c).await?;
    let change = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        direct.write(&key("from"), body(99_999), WriteOptions::new()).await
    };
    let (copied, changed) = tokio::join!(rig.copy(CopyOptions::new()), change);
    changed?;
    let failed = copied.expect_err("the source changed");
    assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
    assert!(!rig.store.exists(&key("to")).await?);
    rig.nothing_left().await?;
    Ok(())
}

/// What a listing told is not asked again, and not believed where the copy shows that it is old.
async fn seen(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint, []).await?;
    let seen = rig.source().await?;
    let copy = CopyTarget::new(key("from"), key("to")).seen(&seen);
    let mut asked = 0;
    for change in [None, Some(body(10)), Some(body(100_001))] {
        if let Some(changed) = change.clone() {
            rig.place.store(|c| c).await?.write(&key("from"), changed, WriteOptions::new()).await?;
        }
        let options = TransferOptions::new();
        let mut done = rig.store.copy_all_to(std::slice::from_ref(&copy), &rig.store, &options).await;
        let copied = done.remove(0)?;
        assert!(copied.by_service);
        asked += usize::from(change.is_some());
        assert_eq!(rig.count(Call::Stat), asked, "{change:?}");
        let direct = rig.place.store(|c| c).await?;
        let found = direct.stat(&key("to"), StatOptions::new()).await?;
        assert_eq!(found.size, change.map_or(100_000, |body| body.len() as u64));
        let copied = copied.metadata;
        assert_eq!((copied.size, copied.etag, copied.version), (found.size, found.etag, found.version));
        let (told, found) = (copied.modified.expect("a time"), found.modified.expect("a time"));
        let apart = told.duration_since(found).unwrap_or_else(|early| early.duration());
        assert!(apart <= Duration::from_secs(1), "{apart:?}");
    }
    Ok(())
}

/// A service that copies for long answers first, and may refuse then.
async fn refused_late(endpoint: String) -> Outcome {
    let late = "<?xml version=\"1.0\"?>\n  \n<Error><Code>SlowDown</Code><Message>later</Message></Error>";
    let page = "<html><body>please log in</body></html>";
    for (body, kind, tries) in [
        (late, ErrorKind::Throttled, 2),
        ("<CopyObjectResult><ETag>", ErrorKind::InvalidData, 2),
        (page, ErrorKind::InvalidConfig, 1),
    ] {
        let answer = Rule::new(Fault::Answer(Answer::new(200).body(body)))
            .only(|request| call(request) == Some(Call::Copy));
        let rig = Rig::new(&endpoint, [answer]).await?;
        rig.source().await?;
        let failed = rig.copy(CopyOptions::new()).await.expect_err(body);
        assert_eq!(failed.kind(), kind, "{body}: {failed}");
        assert_eq!(rig.count(Call::Copy), tries, "{body}");
    }
    Ok(())
}

async fn odd_keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    let odd = [
        "a b",
        "a+b",
        "a%2Fb",
        "a%b",
        "käse/日本",
        "a?b#c",
        "a&b=c",
        "a//b",
        "./a",
        "a\u{1}b",
        "\"'<>\\",
        "?versionId=x",
    ];
    for from in odd {
        let content = format!("the content of {from}");
        store.write(&key(from), content.clone(), WriteOptions::new()).await?;
        for to in odd {
            let to = key(&format!("copies/{to}"));
            let copied = store.copy(&key(from), &to, CopyOptions::new()).await;
            copied.map_err(|e| format!("{from:?} to {to:?}: {e}"))?;
            assert_eq!(store.read(&to, ReadOptions::new()).await?.bytes, content, "{from:?} to {to:?}");
        }
    }
    Ok(())
}
