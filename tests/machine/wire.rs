//! Frames of RFC 6455 and the heads around them, as much as the ends of these tests speak.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use wstap::websocket::accept_for;

pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A frame that came whole, unmasked.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: machine.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

pub(crate) fn switching() -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_for(KEY)
    )
}

/// The header of a whole message (RFC 6455 §5.2). The mask key of clients is zero, which leaves
/// the payload as it is.
pub(crate) fn header(opcode: u8, len: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut header = vec![0x80 | opcode];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => header.push(mask | len),
        (_, Ok(len)) => {
            header.push(mask | 0x7e);
            header.extend(len.to_be_bytes());
        }
        (_, Err(_)) => {
            header.push(mask | 0x7f);
            header.extend((len as u64).to_be_bytes());
        }
    }
    if masked {
        header.extend([0; 4]);
    }
    header
}

pub(crate) fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = header(opcode, payload.len(), masked);
    frame.extend(payload);
    frame
}

/// The next frame, or nothing when the stream ends before one.
pub(crate) async fn read_frame(
    stream: &mut BufReader<impl AsyncRead + Unpin>,
) -> io::Result<Option<Frame>> {
    if stream.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let first = stream.read_u8().await?;
    let second = stream.read_u8().await?;
    let len = match second & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        len => u64::from(len),
    };
    if second & 0x80 != 0 {
        stream.read_u32().await?;
    }
    let mut payload = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    stream.read_exact(&mut payload).await?;
    Ok(Some(Frame { opcode: first & 0xf, payload }))
}

/// The lines of a head, without the empty one behind them.
pub(crate) async fn read_head(
    stream: &mut BufReader<impl AsyncRead + Unpin>,
) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}
