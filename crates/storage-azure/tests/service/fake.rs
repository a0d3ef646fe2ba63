//! A server of a few lines, for what no emulator does: it answers by the method and the target of a request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The requests so far: method, target and headers.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// Answers every request with what `answer` makes of its head, until the runtime ends.
pub(crate) async fn server<F>(answer: F) -> std::io::Result<(SocketAddr, Seen)>
where
    F: Fn(&str) -> String + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let seen = Seen::default();
    let kept = seen.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, answer.clone(), kept.clone()));
        }
    });
    Ok((address, seen))
}

async fn serve<F: Fn(&str) -> String>(mut client: TcpStream, answer: F, seen: Seen) {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut piece = [0; 4096];
            match client.read(&mut piece).await {
                Ok(read @ 1..) => held.extend_from_slice(&piece[..read]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&held[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let total = end + length.unwrap_or(0);
        while held.len() < total {
            let mut piece = [0; 4096];
            match client.read(&mut piece).await {
                Ok(read @ 1..) => held.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
        held.drain(..total);
        let said = answer(&head);
        seen.lock().expect("nobody panics here").push(head);
        if client.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// An answer with a body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!(
        "HTTP/1.1 {status} x\r\nx-ms-request-id: 1\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
