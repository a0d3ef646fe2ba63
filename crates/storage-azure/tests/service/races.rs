//! What another writer does between two requests of one operation.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Close, Fault, Plan, Proxy, Request, Rule};
use storage_core::{Attributes, CopyOptions, ErrorKind, ReadOptions, SignedMethod, Store, WriteOptions};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::AZURITE;
use crate::support::dialect::call;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "races/a-copy-onto-itself-overtaken", overtaken),
        on(AZURITE, "races/the-source-of-a-copy-changes", source_changes),
        on(AZURITE, "races/a-create-beside-leftovers", create),
        on(AZURITE, "races/the-end-of-a-blob-that-changes", end),
        on(AZURITE, "races/a-blob-that-changes-under-a-reader", reader),
    ]
}

struct Rig {
    place: Place,
    proxy: Proxy,
    /// Through the proxy.
    slow: Store,
    direct: Store,
}

impl Rig {
    async fn new(endpoint: &str) -> storage_core::Result<Self> {
        let place = Place::new(endpoint);
        let proxy = place.proxy();
        let slow = place.through(&proxy, |c| c).await?;
        let direct = place.store(|c| c).await?;
        Ok(Self { place, proxy, slow, direct })
    }

    /// The answer to the first request of this kind waits: what comes next comes late.
    fn hold(&self, filter: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        let wait = Rule::new(Fault::Delay(Duration::from_millis(600))).only(filter).nth(0..1);
        self.proxy.set(Plan::new().rule(wait));
    }

    async fn meanwhile<T>(
        &self,
        operation: impl Future<Output = T>,
        change: impl Future<Output = Outcome>,
    ) -> T {
        let change = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            change.await.expect("the other writer is not slow");
        };
        tokio::join!(operation, change).0
    }
}

/// New attributes come with the content that they were meant for, or not at all.
async fn overtaken(endpoint: String) -> Outcome {
    for len in [0, 1000] {
        let rig = Rig::new(&endpoint).await?;
        rig.direct.write(&key("k"), body(len), WriteOptions::new()).await?;
        let before = if len == 0 { Call::Stat } else { Call::Copy };
        rig.hold(move |request| call(request) == Some(before));
        let options = CopyOptions::new().attributes(Attributes::default());
        let copy = async { rig.slow.copy(&key("k"), &key("k"), options).await };
        let change = async {
            rig.direct.write(&key("k"), "new", WriteOptions::new()).await?;
            Ok(())
        };
        let failed = rig.meanwhile(copy, change).await.expect_err("somebody was faster");
        assert_eq!(rig.proxy.unmet(), [""; 0]);
        assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
        assert!(failed.to_string().contains("changed while"), "{failed}");
        assert_eq!(rig.direct.read(&key("k"), ReadOptions::new()).await?.bytes, "new");
    }
    Ok(())
}

async fn source_changes(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint).await?;
    for options in [CopyOptions::new(), CopyOptions::new().attributes(Attributes::default())] {
        rig.direct.write(&key("from"), "old", WriteOptions::new()).await?;
        rig.hold(|request| call(request) == Some(Call::Stat));
        let change = async {
            rig.direct.write(&key("from"), "newer", WriteOptions::new()).await?;
            Ok(())
        };
        let copied =
            rig.meanwhile(async { rig.slow.copy(&key("from"), &key("to"), options).await }, change).await;
        let failed = copied.expect_err("the source changed");
        assert_eq!(rig.proxy.unmet(), [""; 0]);
        assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
        assert!(failed.to_string().contains("source"), "{failed}");
        assert!(!rig.direct.exists(&key("to")).await?);
    }
    Ok(())
}

/// One request is refused for leftover blocks; before the second way is gone, somebody else creates the blob.
async fn create(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint).await?;
    for (name, wanted) in [("a", Call::Stat), ("b", Call::Part)] {
        let query = format!("comp=block&blockid={}", BASE64.encode("0".repeat(48)));
        let begun = rig.place.raw(SignedMethod::Put, name, &query, &[], vec![1]).await?;
        assert_eq!(begun.status(), 201);
        rig.hold(move |request| call(request) == Some(wanted));
        let write = async { rig.slow.write(&key(name), "ours", WriteOptions::new().if_absent()).await };
        let change = async {
            rig.direct.write(&key(name), "theirs", WriteOptions::new()).await?;
            Ok(())
        };
        let failed = rig.meanwhile(write, change).await.expect_err("somebody was faster");
        assert_eq!(rig.proxy.unmet(), [""; 0]);
        assert_eq!(failed.kind(), ErrorKind::AlreadyExists, "{failed}");
        assert!(!failed.may_have_been_applied(), "{failed}");
        assert_eq!(rig.direct.read(&key(name), ReadOptions::new()).await?.bytes, "theirs");
    }
    Ok(())
}

async fn end(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint).await?;
    rig.direct.write(&key("k"), body(1000), WriteOptions::new()).await?;
    rig.hold(|request| call(request) == Some(Call::Stat));
    let options = ReadOptions::new().range(storage_core::ByteRange::Suffix(10));
    let change = async {
        rig.direct.write(&key("k"), body(2000), WriteOptions::new()).await?;
        Ok(())
    };
    match rig.meanwhile(rig.slow.read(&key("k"), options), change).await {
        Ok(read) => assert!(read.bytes == body(2000)[1990..], "of neither version"),
        Err(failed) => assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}"),
    }
    Ok(())
}

/// A read that broke off goes on in the same version, or not at all.
async fn reader(endpoint: String) -> Outcome {
    let rig = Rig::new(&endpoint).await?;
    rig.direct.write(&key("k"), body(1 << 20), WriteOptions::new()).await?;
    let cut = Rule::new(Fault::CutBody { after: 500_000, close: Close::Reset }).method("GET").nth(0..1);
    let wait = Rule::new(Fault::Delay(Duration::from_millis(600))).method("GET").nth(1..2);
    rig.proxy.set(Plan::new().rule(cut).rule(wait));
    let change = async {
        let mut other = body(1 << 20);
        other.reverse();
        rig.direct.write(&key("k"), other, WriteOptions::new()).await?;
        Ok(())
    };
    let read = rig.meanwhile(rig.slow.read(&key("k"), ReadOptions::new()), change).await;
    match read {
        Ok(read) => assert!(read.bytes == body(1 << 20), "spliced"),
        Err(failed) => assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}"),
    }
    Ok(())
}
