//! Deletes: of what has snapshots, under conditions, and of many.

use libtest_mimic::Trial;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Fault, Plan, Rule};
use storage_core::{DeleteTarget, ErrorKind, ReadOptions, SignedMethod, WriteOptions};

use crate::run::{Outcome, Place, key, on};
use crate::support::AZURITE;
use crate::support::dialect::call;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "deletes/of-what-has-snapshots", snapshots),
        on(AZURITE, "deletes/under-conditions", conditions),
        on(AZURITE, "deletes/of-many", many),
        on(AZURITE, "deletes/errors-of-single-keys", per_key),
        on(AZURITE, "deletes/of-keys-that-cannot-be", no_keys),
        on(AZURITE, "deletes/of-what-is-only-begun", begun),
    ]
}

async fn snapshots(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let written = store.write(&key("k"), "x", WriteOptions::new()).await?;
    let made = place.raw(SignedMethod::Put, "k", "comp=snapshot", &[], vec![]).await?;
    assert_eq!(made.status(), 201, "{}", made.text().await?);
    let etag = written.etag.expect("an ETag");
    for target in [DeleteTarget::new(key("k")), DeleteTarget::new(key("k")).if_match(etag.clone())] {
        let failed = store.delete(target).await.expect_err("it has a snapshot");
        assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
        assert!(failed.to_string().contains("`delete_snapshots=true`"), "{failed}");
    }
    assert_eq!(store.read(&key("k"), ReadOptions::new()).await?.bytes, "x");
    // A new content keeps the snapshot, and is no reason to fail.
    store.write(&key("k"), "y", WriteOptions::new()).await?;
    let store = place.store(|c| c.delete_snapshots(true)).await?;
    let stale = store.delete(DeleteTarget::new(key("k")).if_match(etag)).await.expect_err("stale");
    assert_eq!(stale.kind(), ErrorKind::PreconditionFailed, "{stale}");
    store.delete(key("k")).await?;
    assert!(!store.exists(&key("k")).await?);
    store.delete(key("k")).await?;
    Ok(())
}

async fn conditions(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    let old = store.write(&key("k"), "old", WriteOptions::new()).await?.etag.expect("an ETag");
    let new = store.write(&key("k"), "new", WriteOptions::new()).await?.etag.expect("an ETag");
    let targets = [
        DeleteTarget::new(key("k")).if_match(old.clone()),
        DeleteTarget::new(key("missing")).if_match(old),
        DeleteTarget::new(key("also-missing")),
    ];
    let kinds: Vec<_> =
        store.delete_all(targets).await.into_iter().map(|(_, r)| r.err().map(|e| e.kind())).collect();
    let failed = Some(ErrorKind::PreconditionFailed);
    assert_eq!(kinds, [failed, failed, None]);
    assert!(store.exists(&key("k")).await?);
    store.delete(DeleteTarget::new(key("k")).if_match(new)).await?;
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}

async fn many(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    let names: Vec<String> = (0..300).map(|at| format!("many/{at:03} ü+")).collect();
    for name in names.iter().step_by(3) {
        store.write(&key(name), "x", WriteOptions::new()).await?;
    }
    store.write(&key("many/300"), "x", WriteOptions::new()).await?;
    let results = store.delete_all(names.iter().map(|name| DeleteTarget::new(key(name)))).await;
    assert_eq!(results.len(), 300);
    for ((target, result), name) in results.into_iter().zip(&names) {
        assert_eq!(target.key, key(name));
        result?;
        assert!(!store.exists(&key(name)).await?);
    }
    assert!(store.exists(&key("many/300")).await?);
    Ok(())
}

async fn per_key(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for name in ["a", "b", "c"] {
        store.write(&key(name), "x", WriteOptions::new()).await?;
    }
    let leased = Answer::new(412).header("x-ms-error-code", "LeaseIdMissing");
    let only_b = |request: &storage_conformance::proxy::Request| {
        call(request) == Some(Call::Delete) && request.target.ends_with("%2Fb")
    };
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(leased)).only(only_b)));
    let results = store.delete_all(["a", "b", "c"].map(|name| DeleteTarget::new(key(name)))).await;
    let kinds: Vec<_> = results.iter().map(|(_, r)| r.as_ref().err().map(|e| e.kind())).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::PermissionDenied), None]);
    let failed = results[1].1.as_ref().expect_err("leased");
    assert!(failed.to_string().contains("lease") && failed.key() == Some("b"), "{failed}");
    // A condition that a lease made fail is none.
    let etag = store.read(&key("b"), ReadOptions::new()).await?.metadata.etag.expect("an ETag");
    let leased = store.delete(DeleteTarget::new(key("b")).if_match(etag)).await.expect_err("leased");
    assert_eq!(leased.kind(), ErrorKind::PermissionDenied, "{leased}");
    Ok(())
}

/// What the service would take for another name is sent on no path.
async fn no_keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let azure = place.backend(&crate::run::behind(&proxy), |c| c).await?;
    store.write(&key("fine"), "x", WriteOptions::new()).await?;
    proxy.forget();
    for wrong in ["a\\b", "..", "a/../b", "./a", "a.", "a./b", "a\nb", "a\u{7f}", "\u{ffff}"] {
        let options = storage_core::SignRequest::new(SignedMethod::Get, std::time::Duration::from_secs(60));
        let results = [
            store.delete(key(wrong)).await,
            store.read(&key(wrong), ReadOptions::new()).await.map(drop),
            store.write(&key(wrong), "x", WriteOptions::new()).await.map(drop),
            store.write(&key(wrong), vec![0; 9 << 20], WriteOptions::new()).await.map(drop),
            store.copy(&key("fine"), &key(wrong), Default::default()).await.map(drop),
            store.copy(&key(wrong), &key("fine"), Default::default()).await.map(drop),
            store.presign(&key(wrong), options).await.map(drop),
            azure.append(&key(wrong), "x").await.map(drop),
        ];
        for (at, result) in results.into_iter().enumerate() {
            let failed = result.expect_err(wrong);
            assert_eq!(failed.kind(), ErrorKind::InvalidKey, "{at}: {failed}");
            assert!(failed.key().is_some(), "{at}: {failed}");
        }
    }
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    Ok(())
}

/// Blocks that nobody made a blob of are none.
async fn begun(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let answer = place.raw(SignedMethod::Put, "k", "comp=block&blockid=QUFBQQ%3D%3D", &[], vec![1]).await?;
    assert_eq!(answer.status(), 201);
    store.delete(key("k")).await?;
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}
