//! Versions, which no emulator keeps: a fake answers as the documentation says.

use std::net::SocketAddr;

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_azure::{Azure, Config};
use storage_core::{
    CopyOptions, DeleteTarget, Entry, ErrorKind, ListOptions, Prefix, ReadOptions, SignRequest, SignedMethod,
    StatOptions, Store, Version, WriteOptions,
};

use crate::fake::{Seen, answer, server};
use crate::run::{Outcome, body, key, test};
use crate::support::config;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("versions/read-stat-delete", each),
        test("versions/a-key-on-two-pages", two_pages),
        test("versions/pages-without-entries", empty_pages),
        test("versions/a-marker-that-goes-in-circles", circle),
        test("versions/directories-of-a-hierarchical-namespace", directories),
        test("versions/of-a-copy", copy),
    ]
}

const OLD: &str = "2026-01-01T00:00:00.0000000Z";
const NEW: &str = "2026-02-01T00:00:00.0000000Z";

async fn store(address: SocketAddr, settings: fn(Config) -> Config) -> storage_core::Result<Store> {
    let config = settings(config("container", &format!("http://{address}/me")));
    Ok(Store::new(Azure::open(config).await?))
}

fn versions(config: Config) -> Config {
    config.versions(true)
}

fn targets(seen: &Seen) -> Vec<String> {
    let line = |head: &String| head.lines().next().unwrap_or_default().to_owned();
    seen.lock().expect("nobody panics here").drain(..).map(|head| line(&head)).collect()
}

/// A blob of two versions, at any name but `missing`.
fn blob(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default().to_owned();
    let escaped = |version: &str| version.replace(':', "%3A");
    if line.contains("/missing") {
        return answer(404, "x-ms-error-code: BlobNotFound", "");
    }
    let (version, content) = match line.contains("versionid=") {
        false => (NEW, "new!"),
        true if line.contains(&escaped(NEW)) => (NEW, "new!"),
        true if line.contains(&escaped(OLD)) => (OLD, "old"),
        true if line.contains("2001-") => return answer(404, "x-ms-error-code: BlobNotFound", ""),
        true => return answer(400, "x-ms-error-code: InvalidQueryParameterValue", ""),
    };
    let etag = content.len();
    let headers = format!(
        "etag: \"0x{etag}\"\nx-ms-version-id: {version}\nlast-modified: Wed, 21 Oct 2015 07:28:00 GMT"
    );
    match &line[..3] {
        "GET" => answer(200, &headers, content),
        "HEA" => {
            format!(
                "HTTP/1.1 200 x\r\nx-ms-version: 1\r\n{}\r\ncontent-length: {etag}\r\n\r\n",
                headers.replace('\n', "\r\n")
            )
        }
        "DEL" => answer(202, "", ""),
        _ => answer(201, &headers, ""),
    }
}

async fn each() -> Outcome {
    let (address, seen) = server(blob).await?;
    let store = store(address, versions).await?;
    let version = Version::new;
    let written = store.write(&key("k"), "new!", WriteOptions::new()).await?;
    assert_eq!(written.version, Some(version(NEW)));
    let parts = WriteOptions::new().part_size(5 << 20);
    assert_eq!(store.write(&key("k"), body(9 << 20), parts).await?.version, Some(version(NEW)));
    targets(&seen);
    for (name, content) in [(NEW, "new!"), (OLD, "old")] {
        let found = store.stat(&key("k"), StatOptions::new().version(version(name))).await?;
        assert_eq!((found.size, found.version), (content.len() as u64, Some(version(name))));
        let read = store.read(&key("k"), ReadOptions::new().version(version(name))).await?;
        assert_eq!((&read.bytes[..], read.metadata.version), (content.as_bytes(), Some(version(name))));
        store.delete(DeleteTarget::new(key("k")).version(version(name))).await?;
        let asked = format!("/me/container/k?versionid={}", name.replace(':', "%3A"));
        for target in targets(&seen) {
            assert!(target.contains(&asked), "{target}");
        }
    }
    for wrong in ["nonsense", "2001-01-01T00:00:00.0000000Z"] {
        let missing = store.stat(&key("k"), StatOptions::new().version(version(wrong))).await;
        assert_eq!(missing.expect_err(wrong).kind(), ErrorKind::NotFound);
        let missing = store.read(&key("k"), ReadOptions::new().version(version(wrong))).await;
        assert_eq!(missing.map(drop).expect_err(wrong).kind(), ErrorKind::NotFound);
        let copied =
            store.copy(&key("k"), &key("l"), CopyOptions::new().source_version(version(wrong))).await;
        assert_eq!(copied.expect_err(wrong).kind(), ErrorKind::NotFound);
        store.delete(DeleteTarget::new(key("k")).version(version(wrong))).await?;
    }
    let sign = SignRequest::new(SignedMethod::Get, std::time::Duration::from_secs(60)).version(version(OLD));
    let signed = store.presign(&key("k"), sign).await?;
    let url = signed.url.reveal();
    assert!(url.contains("sr=bv") && url.contains("versionid=2026-01-01"), "{url}");
    // Without the setting nobody hears of versions.
    let plain = self::store(address, |c| c).await?;
    assert_eq!(plain.stat(&key("k"), StatOptions::new()).await?.version, None);
    let refused = plain.read(&key("k"), ReadOptions::new().version(version(OLD))).await;
    assert_eq!(refused.map(drop).expect_err("no versions").kind(), ErrorKind::Unsupported);
    Ok(())
}

fn listed(name: &str, version: &str, current: bool) -> String {
    let current = if current { "<IsCurrentVersion>true</IsCurrentVersion>" } else { "" };
    format!(
        "<Blob><Name>{name}</Name><VersionId>{version}</VersionId>{current}<Properties>\
         <Last-Modified>Wed, 21 Oct 2015 07:28:00 GMT</Last-Modified><Etag>0x1</Etag><Content-Length>1</Content-Length>\
         </Properties></Blob>"
    )
}

fn page(entries: &str, next: &str) -> String {
    let page = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>{entries}</Blobs>\
         <NextMarker>{next}</NextMarker></EnumerationResults>"
    );
    answer(200, "content-type: application/xml", &page)
}

fn version(day: u32) -> String {
    format!("2026-01-{day:02}T00:00:00.0000000Z")
}

/// The service lists the oldest version first, and cuts pages where it likes.
fn split(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default();
    assert!(line.contains("include=versions"), "{line}");
    match line.split("marker=").nth(1).and_then(|rest| rest.chars().next()) {
        None => page(
            &[
                listed("a", &version(1), true),
                listed("b", &version(1), false),
                listed("b", &version(2), false),
            ]
            .concat(),
            "1",
        ),
        Some('1') => page(&listed("b", &version(3), false), "2"),
        Some('2') => page(&[listed("b", &version(4), true), listed("c", &version(1), false)].concat(), "3"),
        _ => page(&listed("c", &version(2), true), ""),
    }
}

async fn two_pages() -> Outcome {
    let (address, seen) = server(split).await?;
    let store = store(address, versions).await?;
    let options = ListOptions::new().versions(true);
    let listed: Vec<Entry> = store.list(&Prefix::root(), options).try_collect().await?;
    let listed: Vec<_> = listed
        .into_iter()
        .filter_map(Entry::into_object)
        .map(|object| {
            let version = object.metadata.version.expect("a version").as_str()[8..10].to_owned();
            format!("{} {version}{}", object.key, if object.metadata.is_latest { " latest" } else { "" })
        })
        .collect();
    let expected =
        ["a 01 latest", "b 04 latest", "b 03", "b 02", "b 01", "c 02 latest", "c 01"].map(str::to_owned);
    assert_eq!(listed, expected);
    assert_eq!(targets(&seen).len(), 4);
    Ok(())
}

/// A page may be empty and not the last.
async fn empty_pages() -> Outcome {
    let pages = |head: &str| {
        let line = head.lines().next().unwrap_or_default();
        match line.split("marker=").nth(1).and_then(|rest| rest.chars().next()) {
            None => page("", "1"),
            Some('1') => page("", "2"),
            Some('2') => page(&listed("a", &version(1), true), "3"),
            _ => page("", ""),
        }
    };
    let (address, _) = server(pages).await?;
    for settings in [versions, |c| c] {
        let store = store(address, settings).await?;
        let versions = store.capabilities().versions;
        let options = ListOptions::new().versions(versions);
        let listed: Vec<Entry> = store.list(&Prefix::root(), options).try_collect().await?;
        assert_eq!(listed.iter().map(Entry::name).collect::<Vec<_>>(), ["a"]);
    }
    Ok(())
}

async fn circle() -> Outcome {
    let (address, _) = server(|_| page("", "again")).await?;
    let store = store(address, |c| c).await?;
    let listed = store.list(&Prefix::root(), ListOptions::new()).try_collect::<Vec<Entry>>();
    let failed =
        tokio::time::timeout(std::time::Duration::from_secs(10), listed).await?.expect_err("for ever");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    Ok(())
}

async fn directories() -> Outcome {
    let pages = |_: &str| {
        let entries = "<Blob><Name>d</Name><Properties><ResourceType>directory</ResourceType><Content-Length>0\
                       </Content-Length></Properties></Blob><Blob><Name>d/ f </Name><Properties><Content-Length>1\
                       </Content-Length><ResourceType>file</ResourceType></Properties></Blob>";
        page(entries, "")
    };
    let (address, _) = server(pages).await?;
    let store = store(address, |c| c.sorted(false)).await?;
    let listed: Vec<Entry> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(listed.iter().map(Entry::name).collect::<Vec<_>>(), ["d/ f "]);
    Ok(())
}

async fn copy() -> Outcome {
    let (address, seen) = server(blob).await?;
    let store = store(address, versions).await?;
    // Back to what it was: the one copy of a blob onto itself that changes its content.
    let options = CopyOptions::new().source_version(Version::new(OLD));
    let copied = store.copy(&key("k"), &key("k"), options).await?;
    assert_eq!((copied.size, copied.version.as_ref().map(Version::as_str)), (3, Some(NEW)));
    let heads: Vec<String> = seen.lock().expect("nobody panics here").drain(..).collect();
    let sources: Vec<&str> = heads
        .iter()
        .flat_map(|head| head.lines())
        .filter(|line| line.starts_with("x-ms-copy-source:"))
        .collect();
    assert!(!sources.is_empty());
    for source in sources {
        assert!(source.contains("versionid=2026-01-01") && source.contains("sr=bv"), "{source}");
    }
    Ok(())
}
