//! Every fault of a request happens, to the request that is meant and to no other.

use std::time::{Duration, Instant};

use storage_conformance::proxy::{Answer, Close, Fault, Plan, Proxy, Rule};

use super::client::{Client, End, length};
use super::upstream::{Upstream, content};

/// A proxy with `fault` for the first request.
async fn with(fault: Fault) -> (Upstream, Proxy, Client) {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    proxy.set(Plan::new().rule(Rule::new(fault).nth(0..1)));
    let client = Client::connect(proxy.address()).await;
    (upstream, proxy, client)
}

/// The fault was met, and it is over.
async fn over(proxy: &Proxy) {
    assert_eq!(proxy.unmet(), [""; 0]);
    let mut client = Client::connect(proxy.address()).await;
    assert_eq!(client.ask("GET", "/length/100", "").await.body, content(100));
}

#[tokio::test]
async fn delay() {
    let (_upstream, proxy, mut client) = with(Fault::Delay(Duration::from_millis(200))).await;
    let start = Instant::now();
    assert_eq!(client.ask("GET", "/length/10", "").await.body, content(10));
    assert!(start.elapsed() >= Duration::from_millis(200));
    over(&proxy).await;
}

#[tokio::test]
async fn stall() {
    let (upstream, proxy, mut client) = with(Fault::Stall).await;
    assert_eq!(client.ask("GET", "/length/10", "").await.end, End::Silent);
    assert!(upstream.heard().is_empty());
    over(&proxy).await;
}

#[tokio::test]
async fn reset_before() {
    let (upstream, proxy, mut client) = with(Fault::ResetBefore).await;
    assert_eq!(client.ask("GET", "/length/10", "").await.end, End::Reset);
    assert!(upstream.heard().is_empty());
    over(&proxy).await;
}

#[tokio::test]
async fn lost_response() {
    for (close, end) in [(Close::Reset, End::Reset), (Close::Clean, End::Closed)] {
        let (upstream, proxy, mut client) = with(Fault::LoseResponse(close)).await;
        client.send("PUT /length/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").await;
        let answer = client.answer("PUT").await;
        assert_eq!((answer.head.as_str(), answer.end), ("", end));
        assert!(upstream.heard()[0].ends_with(b"hello"), "the server has the request");
        assert_eq!(proxy.requests()[0].status, None);
        over(&proxy).await;
    }
}

#[tokio::test]
async fn replaced_answer() {
    let (upstream, proxy, mut client) = with(Fault::Replace(Answer::new(504).body("late"))).await;
    client.send("PUT /length/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = client.answer("PUT").await;
    assert_eq!((answer.status(), answer.body.as_slice()), (504, &b"late"[..]));
    assert_eq!(upstream.heard().len(), 1);
    assert_eq!(client.ask("GET", "/length/9", "").await.body, content(9), "the connection lives on");
    over(&proxy).await;
}

#[tokio::test]
async fn answer_without_the_server() {
    let answer = Answer::new(503).header("X-A", "b").retry_after(Duration::from_secs(7)).body("slow down");
    let (upstream, proxy, mut client) = with(Fault::Answer(answer)).await;
    client.send("PUT /length/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = client.answer("PUT").await;
    assert_eq!((answer.status(), answer.body.as_slice()), (503, &b"slow down"[..]));
    assert!(
        answer.head.contains("Retry-After: 7\r\n") && answer.head.contains("X-A: b\r\n"),
        "{}",
        answer.head
    );
    assert!(upstream.heard().is_empty());
    assert_eq!(client.ask("GET", "/length/9", "").await.body, content(9), "the connection lives on");
    over(&proxy).await;
}

#[tokio::test]
async fn answer_to_who_waits_and_to_head() {
    let (_upstream, proxy, mut client) = with(Fault::Answer(Answer::new(403).body("no"))).await;
    let answer = client.ask("PUT", "/length/1", "Expect: 100-continue\r\nContent-Length: 5\r\n").await;
    assert_eq!((answer.status(), client.read(1).await.1), (403, End::Closed));
    over(&proxy).await;
    let (_upstream, proxy, mut client) = with(Fault::Answer(Answer::new(403).body("no"))).await;
    assert_eq!(client.ask("HEAD", "/length/1", "").await.status(), 403);
    assert_eq!(client.ask("HEAD", "/length/1", "").await.status(), 200);
    over(&proxy).await;
}

#[tokio::test]
async fn drip() {
    let (_upstream, proxy, mut client) =
        with(Fault::Drip { step: 10, pause: Duration::from_millis(5) }).await;
    let start = Instant::now();
    assert_eq!(client.ask("GET", "/length/200", "").await.body, content(200));
    assert!(start.elapsed() >= Duration::from_millis(100));
    over(&proxy).await;
}

#[tokio::test]
async fn cut_and_stalled_bodies() {
    let cut = |close| Fault::CutBody { after: 300, close };
    let cases = [
        (cut(Close::Reset), End::Reset),
        (cut(Close::Clean), End::Closed),
        (Fault::StallBody { after: 300 }, End::Silent),
    ];
    for (fault, end) in cases {
        for kind in ["length", "chunked"] {
            let (_upstream, proxy, mut client) = with(fault.clone()).await;
            let answer = client.ask("GET", &format!("/{kind}/50000"), "").await;
            assert_eq!(answer.end, end, "{fault:?}");
            if kind == "length" {
                assert_eq!(length(&answer.head), Some(50_000));
                assert_eq!(answer.body, content(300));
            } else {
                assert_eq!(answer.body, [b"12c\r\n", &content(300)[..], b"\r\n"].concat());
            }
            over(&proxy).await;
        }
    }
}

#[tokio::test]
async fn lengths_that_look_right() {
    let (_upstream, proxy, mut client) = with(Fault::TruncateBody { keep: 30 }).await;
    let answer = client.ask("GET", "/length/50", "").await;
    assert_eq!((answer.body, answer.end), (content(30), End::Enough));
    assert_eq!(client.ask("GET", "/length/9", "").await.body, content(9), "the connection lives on");
    over(&proxy).await;

    let (_upstream, proxy, mut client) = with(Fault::PadBody { by: 3 }).await;
    let answer = client.ask("GET", "/length/50", "").await;
    assert_eq!(answer.body, [&content(50)[..], &[0; 3]].concat());
    assert_eq!(client.ask("GET", "/length/9", "").await.body, content(9), "the connection lives on");
    over(&proxy).await;
}

#[tokio::test]
async fn corrupt_byte() {
    for at in [0, 40_000, 49_999] {
        let (_upstream, proxy, mut client) = with(Fault::CorruptBody { at }).await;
        let mut expected = content(50_000);
        expected[at as usize] = !expected[at as usize];
        assert!(client.ask("GET", "/length/50000", "").await.body == expected);
        over(&proxy).await;
    }
}

#[tokio::test]
async fn wrong_range() {
    let (_upstream, proxy, mut client) = with(Fault::WrongRange).await;
    let answer = client.ask("GET", "/length/100", "Range: bytes=10-19\r\n").await;
    assert!(answer.head.contains("content-range: bytes 11-20/100\r\n"), "{}", answer.head);
    assert!(answer.body.len() == 10 && answer.body.iter().zip(&content(100)[10..]).all(|(a, b)| a != b));
    over(&proxy).await;
}

#[tokio::test]
async fn ignored_range() {
    let (_upstream, proxy, mut client) = with(Fault::IgnoreRange).await;
    let answer = client.ask("GET", "/length/100", "Range: bytes=10-19\r\n").await;
    assert_eq!((answer.status(), answer.body.len()), (200, 100));
    assert!(!answer.head.contains("content-range"));
    assert_eq!(answer.body[10..20], content(100)[10..20]);
    assert!(answer.body[..10].iter().chain(&answer.body[20..]).all(|byte| *byte == 0));
    over(&proxy).await;
}

/// What cannot make a difference is not called met.
#[tokio::test]
async fn misfits_stay_unmet() {
    let cut = |after| Fault::CutBody { after, close: Close::Reset };
    for fault in [cut(10), Fault::WrongRange, Fault::IgnoreRange, Fault::TruncateBody { keep: 10 }] {
        let (_upstream, proxy, mut client) = with(fault).await;
        assert_eq!(client.ask("GET", "/length/10", "").await.body, content(10));
        assert_eq!(proxy.unmet().len(), 1);
    }
    let (_upstream, proxy, mut client) = with(cut(5)).await;
    assert_eq!(client.ask("HEAD", "/length/10", "").await.status(), 200);
    assert_eq!(proxy.unmet().len(), 1);
}

#[tokio::test]
async fn storms_pass() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    proxy.set(Plan::new().storm(2, 429, Duration::ZERO, |request| request.method == "GET"));
    let mut client = Client::connect(proxy.address()).await;
    let mut statuses = Vec::new();
    for method in ["GET", "HEAD", "GET", "GET"] {
        statuses.push(client.ask(method, "/length/10", "").await.status());
    }
    assert_eq!(statuses, [429, 200, 429, 200]);
}

#[tokio::test]
async fn throttled_by_prefix() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    let throttle =
        Fault::Throttle { requests: 2, within: Duration::from_millis(400), answer: Answer::new(503) };
    proxy.set(Plan::new().rule(Rule::new(throttle).target("/hot/")));
    let mut client = Client::connect(proxy.address()).await;
    let mut statuses = Vec::new();
    for target in ["/hot/1", "/cold/1", "/hot/2", "/hot/3", "/cold/2"] {
        statuses.push(client.ask("GET", target, "").await.status());
    }
    assert_eq!(statuses, [200, 200, 200, 503, 200]);
    tokio::time::sleep(Duration::from_millis(410)).await;
    assert_eq!(client.ask("GET", "/hot/4", "").await.status(), 200);
}

#[tokio::test]
async fn rules_choose_their_requests() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    let refuse = |status| Fault::Answer(Answer::new(status));
    let plan = Plan::new()
        .rule(Rule::new(refuse(501)).method("HEAD"))
        .rule(Rule::new(refuse(502)).target("length/7").nth(1..=1))
        .rule(Rule::new(refuse(503)).only(|request| request.header("range").is_some()));
    proxy.set(plan);
    let mut client = Client::connect(proxy.address()).await;
    assert_eq!(client.ask("HEAD", "/length/7", "").await.status(), 501);
    assert_eq!(client.ask("GET", "/length/7", "").await.status(), 502, "the first one counted");
    assert_eq!(client.ask("GET", "/length/7", "").await.status(), 200);
    assert_eq!(client.ask("GET", "/length/7", "Range: bytes=0-1\r\n").await.status(), 503);
    proxy.set(Plan::new());
    assert_eq!(client.ask("HEAD", "/length/7", "").await.status(), 200);
}
