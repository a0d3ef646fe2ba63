//! Faults of whole connections.

use std::time::{Duration, Instant};

use storage_conformance::proxy::{Close, ConnectionFault, Plan, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::{Client, End};
use super::upstream::{Upstream, content};

/// A proxy of TCP before a server that sends everything back, with `fault` for the first connection.
async fn with(fault: Option<ConnectionFault>) -> (Proxy, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::tcp(listener.local_addr().unwrap()).unwrap();
    if let Some(fault) = fault {
        proxy.set(Plan::new().connection(0..1, fault));
    }
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let client = Client::connect(proxy.address()).await;
    (proxy, client)
}

async fn over(proxy: &Proxy) {
    assert_eq!(proxy.unmet(), [""; 0]);
    let mut client = Client::connect(proxy.address()).await;
    client.send("hello").await;
    assert_eq!(client.read(5).await, (b"hello".to_vec(), End::Enough));
}

#[tokio::test]
async fn bytes_pass() {
    let (proxy, mut client) = with(None).await;
    let bytes = content(100_000);
    for piece in bytes.chunks(10_000) {
        client.send(piece).await;
        assert_eq!(client.read(10_000).await.0, piece);
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn refused() {
    let (proxy, mut client) = with(Some(ConnectionFault::Refuse)).await;
    assert_eq!(client.read(1).await.1, End::Reset);
    over(&proxy).await;
}

#[tokio::test]
async fn delayed() {
    let (proxy, mut client) = with(Some(ConnectionFault::Delay(Duration::from_millis(200)))).await;
    let start = Instant::now();
    client.send("a").await;
    assert_eq!(client.read(1).await.1, End::Enough);
    assert!(start.elapsed() >= Duration::from_millis(200));
    over(&proxy).await;
}

#[tokio::test]
async fn cut_by_bytes() {
    for (close, end) in [(Close::Reset, End::Reset), (Close::Clean, End::Closed)] {
        let (proxy, mut client) = with(Some(ConnectionFault::CutDown { after: 700, close })).await;
        client.send(content(1000)).await;
        assert_eq!(client.read(1000).await, (content(700), end));
        over(&proxy).await;
        let (proxy, mut client) = with(Some(ConnectionFault::CutUp { after: 700, close })).await;
        client.send(content(1000)).await;
        assert_eq!(client.read(1000).await.1, end);
        over(&proxy).await;
    }
}

#[tokio::test]
async fn stalled() {
    let (proxy, mut client) = with(Some(ConnectionFault::Stall { after: 700 })).await;
    client.send(content(1000)).await;
    assert_eq!(client.read(1000).await, (content(700), End::Silent));
    over(&proxy).await;
}

#[tokio::test]
async fn all_cut_at_once() {
    let (proxy, mut first) = with(None).await;
    let mut second = Client::connect(proxy.address()).await;
    for client in [&mut first, &mut second] {
        client.send("a").await;
        assert_eq!(client.read(1).await.1, End::Enough);
    }
    proxy.cut_all();
    assert_eq!(first.read(1).await.1, End::Reset);
    assert_eq!(second.read(1).await.1, End::Reset);
    over(&proxy).await;
}

/// A proxy of HTTP has connections too.
#[tokio::test]
async fn of_http() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    proxy.set(Plan::new().connection(0..1, ConnectionFault::CutDown { after: 50, close: Close::Reset }));
    let mut client = Client::connect(proxy.address()).await;
    let answer = client.ask("GET", "/length/1000", "").await;
    assert_eq!((answer.head.len() + answer.body.len(), answer.end), (50, End::Reset));
    let mut client = Client::connect(proxy.address()).await;
    assert_eq!(client.ask("GET", "/length/10", "").await.body, content(10));
    proxy.cut_all();
    assert_eq!(client.read(1).await.1, End::Reset);
}
