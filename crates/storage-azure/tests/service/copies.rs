//! Copies: in one request, and by blocks where the attributes are to be others.

use libtest_mimic::Trial;
use storage_azure::Credentials;
use storage_core::{
    Algorithm, Attributes, Checksum, CopyOptions, ErrorKind, Metadata, ReadOptions, SignedMethod,
    StatOptions, Store, WriteOptions,
};

use crate::run::{Outcome, Place, attributes, body, key, on};
use crate::support::{AZURITE, container_sas};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "copies/carry-everything", everything),
        on(AZURITE, "copies/by-sas", by_sas),
        on(AZURITE, "copies/with-new-attributes", new_attributes),
        on(AZURITE, "copies/onto-itself", onto_itself),
        on(AZURITE, "copies/odd-keys", odd_keys),
        on(AZURITE, "copies/conditions", conditions),
        on(AZURITE, "copies/of-nothing", nothing),
        on(AZURITE, "copies/of-other-peoples-metadata", foreign),
    ]
}

fn dressed() -> WriteOptions {
    let attributes = attributes(|a| {
        a.content_type = Some("text/x; charset=utf-8".to_owned());
        a.content_encoding = Some("gzip".to_owned());
        a.content_language = Some("de, fr".to_owned());
        a.content_disposition = Some("attachment; filename=\"a b.txt\"".to_owned());
        a.cache_control = Some("max-age=60".to_owned());
    });
    WriteOptions::new()
        .attributes(attributes)
        .user_metadata("a-b", "käse")
        .user_metadata("1x", " edge ")
        .user_metadata("a.b", "")
        .user_metadata("plain", "as it is")
}

/// What a stat tells, the time and the token aside.
async fn same(store: &Store, name: &str, copied: &Metadata) -> Outcome {
    let mut found = store.stat(&key(name), StatOptions::new()).await?;
    assert_eq!(found.token, None, "a copy is no write");
    found.modified = copied.modified;
    found.checksums = copied.checksums.clone();
    assert_eq!(&found, copied);
    Ok(())
}

async fn carried(store: &Store) -> Outcome {
    let content = body(100_000);
    let md5 = Checksum::new(Algorithm::Md5, Algorithm::Md5.digest(&content).as_bytes())?;
    let source = store.write(&key("from"), content.clone(), dressed().expect_checksum(md5)).await?;
    let copied = store.copy(&key("from"), &key("to"), CopyOptions::new()).await?;
    assert_eq!((copied.size, &copied.attributes), (100_000, &source.attributes));
    assert_eq!(copied.checksums.get(Algorithm::Md5), Some(md5));
    same(store, "to", &copied).await?;
    assert!(store.read(&key("to"), ReadOptions::new()).await?.bytes == content);
    assert_eq!(store.stat(&key("to"), StatOptions::new()).await?.checksums.get(Algorithm::Md5), Some(md5));
    Ok(())
}

async fn everything(endpoint: String) -> Outcome {
    carried(&Place::new(&endpoint).store(|c| c).await?).await
}

async fn by_sas(endpoint: String) -> Outcome {
    let sas = || Credentials::Sas(container_sas("rcwdl").into());
    let store = Place::new(&endpoint).store(|c| c.credentials(sas())).await?;
    carried(&store).await?;
    let attributes = attributes(|a| a.content_type = Some("text/y".to_owned()));
    let copied = store.copy(&key("from"), &key("to"), CopyOptions::new().attributes(attributes)).await?;
    same(&store, "to", &copied).await
}

async fn new_attributes(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    for (len, name) in [(0, "empty"), (1, "one"), (100_000, "some")] {
        store.write(&key("from"), body(len), dressed()).await?;
        store.write(&key(name), "old", dressed()).await?;
        let attributes = attributes(|a| a.content_type = Some("text/y".to_owned()));
        for attributes in [Attributes::default(), attributes] {
            let options = CopyOptions::new().attributes(attributes.clone());
            let copied = store.copy(&key("from"), &key(name), options).await?;
            assert_eq!((copied.size, &copied.attributes), (len as u64, &attributes));
            same(&store, name, &copied).await?;
            assert!(store.read(&key(name), ReadOptions::new()).await?.bytes == body(len));
        }
    }
    Ok(())
}

async fn onto_itself(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    for len in [0, 1000] {
        let written = store.write(&key("k"), body(len), dressed()).await?;
        let untouched = store.copy(&key("k"), &key("k"), CopyOptions::new()).await?;
        assert_eq!(untouched.etag, written.etag);
        let attributes = attributes(|a| a.content_type = Some("text/new".to_owned()));
        let options = CopyOptions::new().attributes(attributes.clone());
        let copied = store.copy(&key("k"), &key("k"), options.clone()).await?;
        assert_eq!(copied.attributes, attributes);
        same(&store, "k", &copied).await?;
        let etag = written.etag.expect("an ETag");
        let stale = store.copy(&key("k"), &key("k"), options.if_match(etag)).await.expect_err("stale");
        assert_eq!(stale.kind(), ErrorKind::PreconditionFailed, "{stale}");
        assert!(store.read(&key("k"), ReadOptions::new()).await?.bytes == body(len));
    }
    Ok(())
}

async fn odd_keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let by_key = place.store(|c| c).await?;
    let sas = || Credentials::Sas(container_sas("rcwdl").into());
    let by_sas = place.store(|c| c.credentials(sas())).await?;
    let odd = [
        "a b",
        "a+b",
        "a%2Fb",
        "a%b",
        "ü",
        "a?b#c",
        "a//b",
        " a ",
        "a&b=c;d,e",
        "a'b\"<>",
        "日本/😀",
        "a:b@c$d!",
    ];
    for store in [by_key, by_sas] {
        for from in odd {
            store.write(&key(from), from, WriteOptions::new()).await?;
        }
        for (at, from) in odd.into_iter().enumerate() {
            let to = format!("to {at}+{from}");
            store.copy(&key(from), &key(&to), CopyOptions::new()).await?;
            assert_eq!(store.read(&key(&to), ReadOptions::new()).await?.bytes, from.as_bytes(), "{from}");
            let other = attributes(|a| a.cache_control = Some("no-store".to_owned()));
            store.copy(&key(from), &key(&to), CopyOptions::new().attributes(other)).await?;
            let read = store.read(&key(&to), ReadOptions::new()).await?;
            assert_eq!(read.bytes, from.as_bytes(), "{from}");
            assert_eq!(read.metadata.attributes.cache_control.as_deref(), Some("no-store"));
            store.delete(key(&to)).await?;
            assert!(!store.exists(&key(&to)).await? && store.exists(&key(from)).await?);
        }
    }
    Ok(())
}

async fn conditions(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    let etag = |metadata: Metadata| metadata.etag.expect("an ETag");
    let stale = etag(store.write(&key("from"), "old source", WriteOptions::new()).await?);
    let source = etag(store.write(&key("from"), "source", WriteOptions::new()).await?);
    for way in [CopyOptions::new(), CopyOptions::new().attributes(Attributes::default())] {
        let old = etag(store.write(&key("to"), "old", WriteOptions::new()).await?);
        for (options, kind) in [
            (way.clone().if_absent(), ErrorKind::AlreadyExists),
            (way.clone().if_match(source.clone()), ErrorKind::PreconditionFailed),
            (way.clone().source_if_match(stale.clone()), ErrorKind::PreconditionFailed),
        ] {
            let failed = store.copy(&key("from"), &key("to"), options).await.expect_err("a condition");
            assert_eq!(failed.kind(), kind, "{failed}");
            assert!(!failed.may_have_been_applied(), "{failed}");
            assert_eq!(store.read(&key("to"), ReadOptions::new()).await?.bytes, "old");
        }
        let missing = way.clone().if_match(old.clone());
        let failed = store.copy(&key("from"), &key("none"), missing).await.expect_err("nothing stands there");
        assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
        store
            .copy(&key("from"), &key("to"), way.clone().source_if_match(source.clone()).if_match(old))
            .await?;
        assert_eq!(store.read(&key("to"), ReadOptions::new()).await?.bytes, "source");
        store.copy(&key("from"), &key("new"), way.if_absent()).await?;
        store.delete(key("new")).await?;
    }
    Ok(())
}

async fn nothing(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    store.write(&key("to"), "old", WriteOptions::new()).await?;
    for options in [CopyOptions::new(), CopyOptions::new().attributes(Attributes::default())] {
        let failed = store.copy(&key("none"), &key("to"), options).await.expect_err("no source");
        assert_eq!(failed.kind(), ErrorKind::NotFound, "{failed}");
    }
    assert_eq!(store.read(&key("to"), ReadOptions::new()).await?.bytes, "old");
    Ok(())
}

/// Names that only others give come back, and go into a copy.
async fn foreign(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let headers = [("x-ms-meta-UPPER_Case", "Value"), ("x-ms-meta-_u", "=?UTF-8?Q?k=C3=A4se?=")];
    let answer = place.raw(SignedMethod::Put, "from", "", &headers, body(10)).await?;
    assert_eq!(answer.status(), 201, "{}", answer.text().await?);
    let source = store.stat(&key("from"), StatOptions::new()).await?;
    assert_eq!(source.attributes.user["upper_case"], "Value");
    assert_eq!(source.attributes.user["_u"], "=?UTF-8?Q?k=C3=A4se?=");
    let copied = store.copy(&key("from"), &key("to"), CopyOptions::new()).await?;
    same(&store, "to", &copied).await?;
    let options = CopyOptions::new().attributes(source.attributes);
    let copied = store.copy(&key("from"), &key("to"), options).await?;
    same(&store, "to", &copied).await
}
