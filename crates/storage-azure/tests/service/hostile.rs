//! Answers that no healthy service gives.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use libtest_mimic::Trial;
use storage_azure::{Azure, Credentials};
use storage_conformance::proxy::Answer;
use storage_core::{
    CopyOptions, DeleteTarget, Entry, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, Store,
    WriteOptions,
};

use crate::errors::check;
use crate::fake::{answer, server};
use crate::run::{Outcome, answers, behind, key, test};
use crate::support::config;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("hostile/a-signature-sent-back", signature),
        test("hostile/a-wait-without-end", wait),
        test("hostile/a-wait-is-kept", short_wait),
        test("hostile/a-long-error", long),
        test("hostile/an-answer-of-somebody-else", somebody_else),
        test("hostile/listings", listings),
        test("hostile/an-unreadable-entry", entry),
        test("hostile/redirects", redirect),
    ]
}

async fn open(endpoint: &str) -> storage_core::Result<Store> {
    let sas = Credentials::Sas("sv=2023-11-03&sp=rcwdl&sig=hunter2%2Bhunter2%3D".into());
    Ok(Store::new(Azure::open(config("container", endpoint).credentials(sas)).await?))
}

/// Servers in between say what they were asked, signature and all.
async fn signature() -> Outcome {
    let texts = [
        "no route for PUT /container/k?sv=2023-11-03&sp=rcwdl&sig=hunter2%2Bhunter2%3D&x=1",
        "<Error><Code>InvalidUri</Code><Message>GET /k?sv=1&amp;sig=hunter2%2Bhunter2%3D is none</Message></Error>",
        "<Error><Message>The MAC signature found in the HTTP request 'hunter2=' is not the same</Message></Error>",
        "bad header Authorization: Bearer eyJhbGciOi.eyJ.x and SharedKey me:hunter2=",
        "?SIG=hunter2",
    ];
    for text in texts {
        for (status, code) in
            [(400, "InvalidUri"), (403, "AuthenticationFailed"), (405, ""), (404, "BlobNotFound")]
        {
            let mut said = Answer::new(status).header("x-ms-request-id", "1").body(text);
            if !code.is_empty() {
                said = said.header("x-ms-error-code", code);
            }
            let proxy = answers(said);
            let store = open(&behind(&proxy)).await?;
            let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("refused");
            check(&read, Duration::ZERO, read.kind(), &[]);
            let write =
                store.write(&key("k"), "x", WriteOptions::new()).await.map(drop).expect_err("refused");
            check(&write, Duration::ZERO, write.kind(), &[]);
            let copy = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err("refused");
            check(&copy, Duration::ZERO, copy.kind(), &[]);
        }
    }
    Ok(())
}

/// Longer than anybody's patience: an error at once, and no arithmetic beyond what a time can hold.
async fn wait() -> Outcome {
    for (header, value) in [
        ("retry-after", u64::MAX.to_string()),
        ("retry-after", "18446744073709551614".to_owned()),
        ("x-ms-retry-after-ms", u64::MAX.to_string()),
        ("retry-after", "100000".to_owned()),
    ] {
        let busy = Answer::new(503).header("x-ms-error-code", "ServerBusy").header(header, value);
        let proxy = answers(busy);
        let store = open(&behind(&proxy)).await?;
        let begun = Instant::now();
        let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("busy");
        check(&read, begun.elapsed(), ErrorKind::Throttled, &["ServerBusy"]);
        assert!(begun.elapsed() < Duration::from_secs(2));
        for (_, result) in store.delete_all([key("a"), key("b")].map(DeleteTarget::new)).await {
            check(&result.expect_err("busy"), begun.elapsed(), ErrorKind::Throttled, &["ServerBusy"]);
        }
    }
    Ok(())
}

async fn short_wait() -> Outcome {
    for (header, value) in [("retry-after", "1"), ("x-ms-retry-after-ms", "1000")] {
        let busy = Answer::new(503).header("x-ms-error-code", "ServerBusy").header(header, value);
        let proxy = answers(busy);
        let store = open(&behind(&proxy)).await?.with_retry(RetryPolicy::default().attempts(2));
        let begun = Instant::now();
        let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("busy");
        check(&read, begun.elapsed(), ErrorKind::Throttled, &["2 attempts"]);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    Ok(())
}

async fn long() -> Outcome {
    for text in
        ["x".repeat(10 << 20), format!("<Error><Message>{}</Message></Error>", "ü\r\n".repeat(1 << 20))]
    {
        for status in [400, 403, 500] {
            let proxy = answers(Answer::new(status).body(text.clone()));
            let store = open(&behind(&proxy)).await?.with_retry(RetryPolicy::none());
            let write =
                store.write(&key("k"), "x", WriteOptions::new()).await.map(drop).expect_err("refused");
            check(&write, Duration::ZERO, write.kind(), &[]);
        }
    }
    Ok(())
}

/// A success of somebody who is no such service confirms nothing, not even with an ETag.
async fn somebody_else() -> Outcome {
    let html = "<html><body>Please log in</body></html>";
    for status in [200, 201, 202, 204] {
        let (address, _) = server(move |_| {
            let body = if status == 204 { "" } else { html };
            answer(status, "content-type: text/html\netag: \"abc\"", body)
                .replace("x-ms-request-id: 1\r\n", "")
        })
        .await?;
        let store = open(&format!("http://{address}/me")).await?;
        let kind = ErrorKind::InvalidConfig;
        let words = ["no Azure Blob Storage", "endpoint"];
        let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("no blob");
        check(&read, Duration::ZERO, kind, &words);
        for len in [10, 9 << 20] {
            let write =
                store.write(&key("k"), vec![0; len], WriteOptions::new()).await.expect_err("no service");
            check(&write, Duration::ZERO, kind, &words);
        }
        let stat = store.exists(&key("k")).await.expect_err("no service");
        check(&stat, Duration::ZERO, kind, &words);
        let deleted = store.delete(key("k")).await.expect_err("nobody deleted it");
        check(&deleted, Duration::ZERO, kind, &words);
        let mut listing = store.list(&Prefix::root(), ListOptions::new());
        let listed = listing.next().await.expect("an entry or an error").expect_err("no listing");
        check(&listed, Duration::ZERO, listed.kind(), &[]);
    }
    Ok(())
}

async fn listings() -> Outcome {
    let good = "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Content-Length>1</Content-Length>\
                </Properties></Blob></Blobs><NextMarker /></EnumerationResults>";
    let bad = [
        "",
        "<html><body>hello</body></html>",
        "{\"json\": true}",
        &good[..good.len() - 30],
        &good.replace("</Blob>", "</Blub>"),
        &good.replace("<Name>a", "<Name>&nosuch;"),
        &good.replace("<Name>a", "<Name>&#xFFFFFFFF;"),
        &format!("<!DOCTYPE x [<!ENTITY a \"bbbb\">]>{}", good.replace("<Name>a", "<Name>&a;")),
    ];
    for text in bad {
        let text = text.to_owned();
        let (address, _) = server(move |_| answer(200, "", &text)).await?;
        let store = open(&format!("http://{address}/me")).await?.with_retry(RetryPolicy::none());
        let listed = store.list(&Prefix::root(), ListOptions::new()).try_collect::<Vec<Entry>>().await;
        let failed = listed.expect_err("no listing");
        assert!(matches!(failed.kind(), ErrorKind::InvalidData | ErrorKind::InvalidConfig), "{failed}");
    }
    let fine = [
        good.to_owned(),
        good.replace("<Blob><Name>", "<Blob><Metadata><Name>x</Name></Metadata><OrMetadata/><Name>"),
        good.replace("<Blob><Name>a</Name>", "<Blob><Name><![CDATA[a]]></Name><!-- b -->"),
        good.replace("<Blobs>", "<Blobs><Blob/><Unknown><Name>b</Name></Unknown>"),
        good.replace(
            "</Properties>",
            "<Content-Length2>5</Content-Length2></Properties><Snapshot></Snapshot>",
        ),
    ];
    for text in fine {
        let shown = text.clone();
        let (address, _) = server(move |_| answer(200, "", &text)).await?;
        let store = open(&format!("http://{address}/me")).await?;
        let listed: Vec<Entry> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
        assert_eq!(listed.iter().map(Entry::name).collect::<Vec<_>>(), ["a"], "{shown}");
    }
    Ok(())
}

/// One entry that cannot be read is one error; the listing goes on.
async fn entry() -> Outcome {
    let blob = |name: &str, size: &str| {
        format!(
            "<Blob><Name{name}</Name><Properties><Content-Length>{size}</Content-Length></Properties></Blob>"
        )
    };
    let blobs = [
        blob(">a", "1"),
        blob(" Encoded=\"true\">b%FF", "1"),
        blob(">c", "-1"),
        blob(">d", "99999999999999999999999"),
        blob(">", "1"),
        blob(&format!(">{}", "e".repeat(1025)), "1"),
        blob(" Encoded=\"true\">f%EF%BF%BE", "1"),
    ];
    let text =
        format!("<EnumerationResults><Blobs>{}</Blobs><NextMarker/></EnumerationResults>", blobs.concat());
    let (address, _) = server(move |_| answer(200, "", &text)).await?;
    let store = open(&format!("http://{address}/me")).await?;
    let all: Vec<_> = store.list(&Prefix::root(), ListOptions::new()).collect().await;
    assert_eq!(all.len(), 7);
    let names: Vec<String> = all.iter().filter_map(|e| Some(e.as_ref().ok()?.name().to_owned())).collect();
    assert_eq!(names, ["a", "f\u{fffe}"]);
    for failed in all.into_iter().filter_map(Result::err) {
        assert_eq!(failed.scope(), storage_core::Scope::Entry, "{failed}");
    }
    Ok(())
}

/// A signature goes nowhere but where it was meant to.
async fn redirect() -> Outcome {
    let (elsewhere, seen) = server(|_| answer(200, "etag: \"1\"", "stolen")).await?;
    for status in [301, 302, 307, 308] {
        let (address, _) =
            server(move |_| answer(status, &format!("location: http://{elsewhere}/x"), "")).await?;
        let store = open(&format!("http://{address}/me")).await?;
        let read = store.read(&key("k"), ReadOptions::new()).await.map(drop).expect_err("elsewhere");
        check(&read, Duration::ZERO, ErrorKind::InvalidConfig, &["endpoint"]);
        let write = store.write(&key("k"), "x", WriteOptions::new()).await.expect_err("elsewhere");
        check(&write, Duration::ZERO, ErrorKind::InvalidConfig, &["endpoint"]);
        store.delete(key("k")).await.expect_err("elsewhere");
    }
    assert!(seen.lock().expect("nobody panics here").is_empty());
    Ok(())
}
