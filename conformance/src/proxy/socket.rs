//! Ending connections as told.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::fault::Close;

/// How long bytes on their way get before a reset throws away what was not sent.
const SETTLE: Duration = Duration::from_millis(20);
/// How long a client may go on sending after its connection was ended in order.
const LINGER: Duration = Duration::from_secs(2);

/// Ends a connection.
pub(super) async fn end(mut stream: TcpStream, close: Close) {
    // What fails here is a connection that has ended already.
    let _ = match close {
        Close::Reset => reset(stream).await,
        Close::Clean => clean(&mut stream).await,
    };
}

/// By RST: with a linger time of zero, closing does not say goodbye.
async fn reset(stream: TcpStream) -> io::Result<()> {
    tokio::time::sleep(SETTLE).await;
    stream.set_zero_linger()
}

/// By FIN. Closing while bytes of the client are unread would be a reset, so these are taken first.
async fn clean(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut nowhere = tokio::io::sink();
    let rest = tokio::time::timeout(LINGER, tokio::io::copy(stream, &mut nowhere));
    rest.await.map_or(Ok(()), |copied| copied.map(drop))
}
