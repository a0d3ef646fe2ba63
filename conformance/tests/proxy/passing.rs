//! Without a fault nothing changes but the connection.

use storage_conformance::proxy::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::{Client, End};
use super::upstream::{Upstream, content};

async fn through() -> (Upstream, Proxy, Client) {
    let upstream = Upstream::start().await;
    let proxy = Proxy::http(upstream.address).unwrap();
    let client = Client::connect(proxy.address()).await;
    (upstream, proxy, client)
}

/// Signatures are over these bytes.
#[tokio::test]
async fn requests_come_as_they_went() {
    let (upstream, _proxy, mut client) = through().await;
    let requests = [
        "GET /length/10?b=%2f&a HTTP/1.1\r\nhOST:  odd.example:1 \r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n",
        "PUT /length/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "PUT /length/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
        "HEAD /length/3 HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for request in requests {
        client.send(request).await;
        assert_eq!(client.answer(request.split(' ').next().unwrap()).await.end, End::Enough);
    }
    let heard: Vec<String> =
        upstream.heard().into_iter().map(|raw| String::from_utf8(raw).unwrap()).collect();
    assert_eq!(heard, requests);
}

#[tokio::test]
async fn answers_come_as_they_went() {
    let (_upstream, _proxy, mut client) = through().await;
    let whole = client.ask("GET", "/length/100000", "").await;
    assert_eq!(whole.head, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(whole.body, content(100_000));
    let none = client.ask("GET", "/none", "").await;
    assert_eq!((none.status(), none.body.len()), (204, 0));
    let head = client.ask("HEAD", "/length/5", "").await;
    assert_eq!(head.head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let chunked = client.ask("GET", "/chunked/1500", "").await;
    assert!(chunked.body.starts_with(b"3e8\r\nabc") && chunked.body.ends_with(b"\r\n0\r\n\r\n"));
    let rest = client.ask("GET", "/until-close/10", "").await;
    assert_eq!((rest.body, rest.end), (content(10), End::Closed));
}

#[tokio::test]
async fn a_body_waits_for_continue() {
    let (upstream, _proxy, mut client) = through().await;
    client.send("PUT /length/1 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.answer("PUT").await.status(), 100);
    client.send("hello").await;
    assert_eq!(client.answer("PUT").await.body, b"stored");
    assert!(upstream.heard()[0].ends_with(b"\r\n\r\nhello"));
}

/// One byte at a time, so that no head and no chunk comes in one piece.
#[tokio::test]
async fn pieces_do_not_matter() {
    let (upstream, _proxy, mut client) = through().await;
    let request = "PUT /length/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer("PUT").await.body, b"stored");
    assert_eq!(upstream.heard()[0], request.as_bytes());
}

#[tokio::test]
async fn the_journal_counts_and_keeps_no_secret() {
    let (_upstream, proxy, mut client) = through().await;
    client
        .ask(
            "GET",
            "/length/50?X-Amz-Signature=verysecret&a=b",
            "Authorization: verysecret\r\nRange: bytes=0-9\r\n",
        )
        .await;
    client
        .send("PUT /length/1 HTTP/1.1\r\nContent-Length: 5\r\nX-Amz-Security-Token: verysecret\r\n\r\nhello")
        .await;
    client.answer("PUT").await;
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].target, "/length/50?X-Amz-Signature=***&a=b");
    assert_eq!(requests[0].header("range"), Some("bytes=0-9"));
    assert_eq!((requests[0].status, requests[0].received), (Some(206), 10));
    assert_eq!((requests[1].method.as_str(), requests[1].sent, requests[1].received), ("PUT", 5, 6));
    assert_eq!(requests.iter().map(|request| request.connection).max(), Some(0));
    assert!(!format!("{proxy:?}").contains("verysecret"));
    proxy.forget();
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_dropped_proxy_is_gone() {
    let (_upstream, proxy, mut client) = through().await;
    client.ask("GET", "/length/5", "").await;
    let address = proxy.address();
    drop(proxy);
    assert!(TcpStream::connect(address).await.is_err());
    assert_ne!(client.read(1).await.1, End::Silent);
}

/// A server that is not there is the client's to notice.
#[tokio::test]
async fn no_server_is_a_closed_connection() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::http(nobody).unwrap();
    let mut client = Client::connect(proxy.address()).await;
    assert_eq!(client.ask("GET", "/", "").await.end, End::Closed);
}

/// A body far larger than what the proxy may hold: without a reader the server cannot go on sending.
#[tokio::test]
async fn a_body_is_not_held() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::http(listener.local_addr().unwrap()).unwrap();
    let mut client = Client::connect(proxy.address()).await;
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    let block = vec![0; 1 << 20];
    let mut sent = 0;
    while sent < 100 {
        let write = server.write_all(&block);
        if tokio::time::timeout(std::time::Duration::from_millis(300), write).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 100, "100 MiB went into the proxy, and nobody read");
}

/// A proxy before a server that the test plays itself.
async fn by_hand(request: &str) -> (Proxy, Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::http(listener.local_addr().unwrap()).unwrap();
    let mut client = Client::connect(proxy.address()).await;
    client.send(request).await;
    let (server, _) = listener.accept().await.unwrap();
    (proxy, client, server)
}

/// A server that refuses by the head alone, and hangs up on the body.
#[tokio::test]
async fn an_early_answer_gets_through() {
    let (_proxy, mut client, mut server) =
        by_hand("PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nsome of it").await;
    server.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    drop(server);
    let answer = client.answer("PUT").await;
    assert_eq!((answer.status(), answer.body.as_slice()), (403, &b"no"[..]));
}

/// Half a request is no request: the server sees that its end is missing.
#[tokio::test]
async fn a_client_that_breaks_off_is_no_whole_request() {
    let (_proxy, client, mut server) = by_hand("PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello").await;
    drop(client);
    let mut heard = Vec::new();
    let _ = server.read_to_end(&mut heard).await;
    assert!(heard.ends_with(b"\r\n\r\nhello"));
}

/// A client that leaves stops the server's work.
#[tokio::test]
async fn a_client_that_leaves_is_told_to_the_server() {
    let (_proxy, client, mut server) = by_hand("GET / HTTP/1.1\r\n\r\n").await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    drop(client);
    let block = vec![0; 1 << 20];
    let endless = async { while server.write_all(&block).await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), endless).await.unwrap();
}

/// A server that breaks off is seen as it is.
#[tokio::test]
async fn a_server_that_breaks_off_is_seen() {
    let (_proxy, mut client, mut server) = by_hand("GET / HTTP/1.1\r\n\r\n").await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await.unwrap();
    let mut request = [0; 18];
    server.read_exact(&mut request).await.unwrap();
    drop(server);
    let answer = client.answer("GET").await;
    assert_eq!((answer.body.as_slice(), answer.end), (&b"hello"[..], End::Closed));
}
