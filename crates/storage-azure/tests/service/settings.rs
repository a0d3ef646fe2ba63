//! The service's own settings, and what others write.

use libtest_mimic::Trial;
use storage_core::{
    Algorithm, Attributes, CopyOptions, ErrorKind, ReadOptions, SignRequest, SignedMethod, StatOptions,
    WriteOptions,
};

use crate::run::{Outcome, Place, attributes, body, key, on};
use crate::support::AZURITE;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "settings/tier-and-tags", tier_and_tags),
        on(AZURITE, "settings/archived", archived),
        on(AZURITE, "settings/wrong-tier", wrong_tier),
        on(AZURITE, "settings/part-size", part_size),
        on(AZURITE, "settings/encoded-content-is-read-as-it-is", encoded),
        on(AZURITE, "settings/metadata-names", names),
        on(AZURITE, "settings/blobs-of-others", others),
        on(AZURITE, "settings/headers-that-cannot-be", headers),
        on(AZURITE, "settings/too-much-metadata", too_much),
    ]
}

const MIB: usize = 1 << 20;

/// A header of the blob, as the service tells it.
async fn told(place: &Place, name: &str, header: &str) -> Result<Option<String>, libtest_mimic::Failed> {
    let answer = place.raw(SignedMethod::Head, name, "", &[], vec![]).await?;
    assert!(answer.status().is_success(), "{name}: {}", answer.status());
    Ok(answer.headers().get(header).map(|value| value.to_str().unwrap_or("?").to_owned()))
}

async fn tier_and_tags(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c.access_tier("Cool").tags("a=b&c=d%20e")).await?;
    store.write(&key("once"), body(10), WriteOptions::new()).await?;
    store.write(&key("parts"), body(3 * MIB), WriteOptions::new().part_size(1 << 20)).await?;
    let mut writer = store.writer(&key("streamed"), WriteOptions::new().part_size(1 << 20)).await?;
    writer.write(body(2 * MIB)).await?;
    writer.finish().await?;
    store.copy(&key("once"), &key("copy"), CopyOptions::new()).await?;
    let other = CopyOptions::new().attributes(Attributes::default());
    store.copy(&key("once"), &key("blocks"), other).await?;
    let signed = store
        .presign(&key("signed"), SignRequest::new(SignedMethod::Put, std::time::Duration::from_secs(60)))
        .await?;
    let mut put = reqwest::Client::new().put(signed.url.reveal()).body("x");
    for (name, value) in &signed.headers {
        put = put.header(name, value);
    }
    assert!(put.send().await?.status().is_success());
    for name in ["once", "parts", "streamed", "copy", "blocks", "signed"] {
        assert_eq!(told(&place, name, "x-ms-access-tier").await?.as_deref(), Some("Cool"), "{name}");
        let tags = (name != "signed").then_some("2");
        let answer = place.raw(SignedMethod::Get, name, "", &[], vec![]).await?;
        let count = answer.headers().get("x-ms-tag-count").and_then(|count| count.to_str().ok());
        assert_eq!(count, tags, "{name}");
    }
    Ok(())
}

async fn archived(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c.access_tier("Archive")).await?;
    store.write(&key("k"), "old", WriteOptions::new()).await?;
    assert_eq!(store.stat(&key("k"), StatOptions::new()).await?.size, 3);
    let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("archived");
    let copied = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.map(drop).expect_err("archived");
    for failed in [read, copied] {
        assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
        assert!(failed.to_string().contains("archived"), "{failed}");
    }
    store.delete(key("k")).await?;
    Ok(())
}

async fn wrong_tier(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c.access_tier("Tepid")).await?;
    for content in [body(10), body(9 << 20)] {
        let failed = store.write(&key("k"), content, WriteOptions::new()).await.expect_err("no such tier");
        assert!(!failed.may_have_been_applied() && failed.attempts() == 1, "{failed}");
    }
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}

async fn part_size(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.part_size(1 << 20)).await?;
    for (len, parts) in [(MIB, 0), (MIB + 1, 2), (2 * MIB, 2), (2 * MIB + 1, 3)] {
        proxy.forget();
        store.write(&key("k"), body(len), WriteOptions::new()).await?;
        let sent = proxy.requests().iter().filter(|r| r.target.contains("blockid=")).count();
        assert_eq!(sent, parts, "{len} bytes");
    }
    let limits = place.store(|c| c.part_size(u64::MAX)).await?.capabilities().limits;
    assert_eq!((limits.part_preferred, limits.write_max), (limits.part_max, limits.part_max));
    assert_eq!(place.store(|c| c.part_size(0)).await?.capabilities().limits.part_preferred, 1);
    Ok(())
}

/// The bytes are the object's: nobody on the way takes off what `content-encoding` says is on.
async fn encoded(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    // The magic number of a gzip file, and nothing that could be unpacked.
    let content = [&[0x1f, 0x8b, 8, 0][..], &body(1000)].concat();
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let attributes = attributes(|a| {
            a.content_encoding = Some(encoding.to_owned());
            a.cache_control = Some("no-transform".to_owned());
        });
        let options = WriteOptions::new().attributes(attributes.clone());
        store.write(&key("k"), content.clone(), options).await?;
        let read = store.read(&key("k"), ReadOptions::new()).await?;
        assert!(read.bytes == content, "{encoding}");
        assert_eq!((read.metadata.size, &read.metadata.attributes), (content.len() as u64, &attributes));
        let range = store.read(&key("k"), ReadOptions::new().range(2..500)).await?;
        assert!(range.bytes == content[2..500], "{encoding}");
        assert_eq!(range.metadata.size, content.len() as u64);
    }
    Ok(())
}

async fn names(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let options = WriteOptions::new()
        .user_metadata("a-b", "1")
        .user_metadata("1x", "2")
        .user_metadata("a.b", "3")
        .user_metadata("a_b", "4")
        .user_metadata("haul_x_a", "5")
        .user_metadata("class", "käse 日本")
        .user_metadata("two", "a  b")
        .user_metadata("empty", "");
    for len in [10, 9 << 20] {
        let written = store.write(&key("k"), body(len), options.clone()).await?;
        assert_eq!(written.attributes.user.len(), 8);
        let found = store.stat(&key("k"), StatOptions::new()).await?;
        assert_eq!((&found.attributes, &found.token), (&written.attributes, &written.token));
        let read = store.read(&key("k"), ReadOptions::new().range(0..5)).await?;
        assert_eq!(read.metadata.attributes, written.attributes);
        assert_eq!(told(&place, "k", "x-ms-meta-a_b").await?.as_deref(), Some("4"));
        assert_eq!(told(&place, "k", "x-ms-meta-haul_x_a_2db").await?.as_deref(), Some("1"));
    }
    Ok(())
}

async fn others(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = place.store(|c| c).await?;
    let headers =
        [("x-ms-meta-UPPER", "Value"), ("x-ms-meta-Mixed_1", " v "), ("x-ms-blob-cache-control", "x")];
    let answer = place.raw(SignedMethod::Put, "k", "", &headers, body(10)).await?;
    assert_eq!(answer.status(), 201, "{}", answer.text().await?);
    let found = store.stat(&key("k"), StatOptions::new()).await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(read.metadata.attributes, found.attributes);
    assert_eq!(found.token, None);
    let user: Vec<_> =
        found.attributes.user.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(user, [("mixed_1", "v"), ("upper", "Value")]);
    // The service makes one up where there is none.
    assert_eq!(found.attributes.content_type.as_deref(), Some("application/octet-stream"));
    let md5 = Algorithm::Md5.digest(&body(10));
    assert_eq!(found.checksums.get(Algorithm::Md5), Some(md5));
    assert_eq!(read.metadata.checksums.get(Algorithm::Md5), Some(md5));
    let range = store.read(&key("k"), ReadOptions::new().range(2..5)).await?;
    assert_eq!(range.metadata.checksums.get(Algorithm::Md5), Some(md5), "of the whole");
    Ok(())
}

/// Content headers are the caller's: what no header can carry is refused, in time and in words.
async fn headers(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    store.write(&key("from"), "source", WriteOptions::new()).await?;
    proxy.forget();
    for wrong in
        ["a\r\nx-ms-meta-evil: 1", "a\nb", "a\0b", "käse", "attachment; filename=\"日本.txt\"", "\u{7f}"]
    {
        let wrong = || Some(wrong.to_owned());
        for attributes in [
            attributes(|a| a.content_type = wrong()),
            attributes(|a| a.content_encoding = wrong()),
            attributes(|a| a.content_language = wrong()),
            attributes(|a| a.content_disposition = wrong()),
            attributes(|a| a.cache_control = wrong()),
        ] {
            let options = || WriteOptions::new().attributes(attributes.clone());
            let results = [
                store.write(&key("k"), body(10), options()).await,
                store.write(&key("k"), body(3 * MIB), options().part_size(1 << 20)).await,
                store.write(&key("k"), body(9 << 20), options()).await,
                store.copy(&key("from"), &key("k"), CopyOptions::new().attributes(attributes.clone())).await,
            ];
            for result in results {
                let failed = result.expect_err("no header");
                assert_eq!(failed.kind(), ErrorKind::InvalidInput, "{failed}");
                assert!(!failed.may_have_been_applied() && failed.attempts() == 1, "{failed}");
                assert!(!failed.to_string().contains('\n'), "{failed}");
            }
        }
    }
    let sent: Vec<String> = proxy.requests().iter().map(|r| r.method.clone()).collect();
    assert!(sent.is_empty(), "before a byte is sent: {sent:?}");
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}

async fn too_much(endpoint: String) -> Outcome {
    let store = Place::new(&endpoint).store(|c| c).await?;
    let options = WriteOptions::new().user_metadata("a", "x".repeat(40_000));
    for content in [body(10), body(9 << 20)] {
        let failed = store.write(&key("k"), content, options.clone()).await.expect_err("too much");
        assert!(failed.to_string().len() < 500, "{failed}");
    }
    assert!(!store.exists(&key("k")).await?);
    Ok(())
}
