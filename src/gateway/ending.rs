//! The ways a connection ends, clean and otherwise.
use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use super::policy::Ending;

/// How long a sent Close waits for the peer's before the socket goes.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// A text frame that announces 256 bytes and stops after 64.
const TORN_FRAME: &[u8] =
    b"\x81\x7e\x01\x00{\"type\":\"event\",\"event\":\"health\",\"payload\":{\"ok\":true,\"ts\":17951";

pub(super) async fn perform(mut ws: WebSocketStream<TcpStream>, how: Ending) -> io::Result<()> {
    match how {
        Ending::Close { code, reason } => return close(ws, code, reason).await,
        Ending::Silence => hold(ws.get_mut()).await,
        Ending::Fin => return leave(ws.into_inner()).await,
        Ending::Reset => reset(ws.get_ref())?,
        Ending::FinInFrame => {
            ws.get_mut().write_all(TORN_FRAME).await?;
            return leave(ws.into_inner()).await;
        }
        Ending::ResetInFrame => {
            ws.get_mut().write_all(TORN_FRAME).await?;
            reset(ws.get_ref())?;
        }
    }
    Ok(())
}

async fn close(mut ws: WebSocketStream<TcpStream>, code: u16, reason: String) -> io::Result<()> {
    let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from(reason) };
    let exchange = async {
        ws.close(Some(frame)).await?;
        while let Some(message) = ws.next().await {
            message?;
        }
        Ok::<_, Error>(())
    };
    match tokio::time::timeout(CLOSE_GRACE, exchange).await {
        Ok(_) => leave(ws.into_inner()).await,
        // Dropping the socket is what terminating it means.
        Err(_) => Ok(()),
    }
}

/// FIN, then whatever the peer still says, so that unread bytes do not turn it into a reset.
pub(super) async fn leave(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let _peer_left = tokio::time::timeout(CLOSE_GRACE, hold(&mut stream)).await;
    Ok(())
}

/// Reads and ignores until the peer goes.
pub(super) async fn hold(stream: &mut TcpStream) {
    let mut sink = [0; 4096];
    while matches!(stream.read(&mut sink).await, Ok(read) if read > 0) {}
}

/// With no linger time the coming close is a reset.
pub(super) fn reset(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}
