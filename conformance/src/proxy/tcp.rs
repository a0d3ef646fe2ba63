//! One connection as bytes.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::{Close, ConnectionFault};

/// Passes bytes on until both sides have said everything or the fault ends it; tells how it is to end.
pub(super) async fn serve(
    client: &mut TcpStream,
    upstream: SocketAddr,
    fault: Option<ConnectionFault>,
) -> Close {
    if let Some(ConnectionFault::Refuse) = fault {
        return Close::Reset;
    }
    if let Some(ConnectionFault::Delay(wait)) = fault {
        tokio::time::sleep(wait).await;
    }
    match pass_on(client, upstream, fault).await {
        Ok(close) => close,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Close::Reset,
        Err(_) => Close::Clean,
    }
}

async fn pass_on(
    client: &mut TcpStream,
    upstream: SocketAddr,
    fault: Option<ConnectionFault>,
) -> io::Result<Close> {
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let (mut up, mut down, mut close) = (u64::MAX, u64::MAX, Some(Close::Clean));
    match fault {
        Some(ConnectionFault::CutUp { after, close: how }) => (up, close) = (after, Some(how)),
        Some(ConnectionFault::CutDown { after, close: how }) => (down, close) = (after, Some(how)),
        Some(ConnectionFault::Stall { after }) => (down, close) = (after, None),
        _ => {}
    }
    let both_ended = {
        let ((mut client_from, mut client_to), (mut server_from, mut server_to)) =
            (client.split(), server.split());
        let upwards = pin!(copy(&mut client_from, &mut server_to, up));
        let downwards = pin!(copy(&mut server_from, &mut client_to, down));
        // A direction that came to its limit ends the other; one that said everything does not.
        match select(upwards, downwards).await {
            Either::Left((Ok(Copied::All), other)) => matches!(other.await?, Copied::All),
            Either::Right((Ok(Copied::All), other)) => matches!(other.await?, Copied::All),
            Either::Left((ended, _)) | Either::Right((ended, _)) => matches!(ended?, Copied::All),
        }
    };
    match close {
        _ if both_ended => Ok(Close::Clean),
        Some(close) => Ok(close),
        // Still open, and silent.
        None => std::future::pending().await,
    }
}

enum Copied {
    All,
    UpToTheLimit,
}

async fn copy<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut R,
    to: &mut W,
    limit: u64,
) -> io::Result<Copied> {
    let mut buffer = vec![0; 16 << 10];
    let mut left = limit;
    while left > 0 {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(Copied::All);
        }
        let taken = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        to.write_all(&buffer[..taken]).await?;
        left -= taken as u64;
    }
    Ok(Copied::UpToTheLimit)
}
