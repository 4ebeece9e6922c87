//! One WebSocket client: it upgrades, gets echoes, and says good-bye.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::wire::{self, BINARY, CLOSE};

#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and upgrades; any answer but 101 is an error.
    pub(crate) async fn connect(tap: SocketAddr, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(tap).await?;
        stream.set_nodelay(true)?;
        stream.write_all(wire::request(path).as_bytes()).await?;
        let mut stream = BufReader::with_capacity(4096, stream);
        let head = wire::read_head(&mut stream).await?;
        let status = head.first().cloned().unwrap_or_default();
        if status.starts_with("HTTP/1.1 101 ") {
            Ok(Self { stream })
        } else {
            Err(io::Error::other(status))
        }
    }

    /// Sends a message and waits until it came back as it was.
    pub(crate) async fn echo(&mut self, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&wire::frame(BINARY, payload, true)).await?;
        match wire::read_frame(&mut self.stream).await? {
            Some(frame) if frame.opcode == BINARY && frame.payload == payload => Ok(()),
            other => Err(io::Error::other(format!("no echo: {other:?}"))),
        }
    }

    /// Close 1000 both ways, then FIN both ways.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        let code = 1000_u16.to_be_bytes();
        self.stream.write_all(&wire::frame(CLOSE, &code, true)).await?;
        match wire::read_frame(&mut self.stream).await? {
            Some(frame) if frame.opcode == CLOSE && frame.payload == code => {}
            other => return Err(io::Error::other(format!("no Close: {other:?}"))),
        }
        self.stream.shutdown().await?;
        self.ended().await
    }

    /// Waits for a FIN on a frame boundary.
    async fn ended(&mut self) -> io::Result<()> {
        match wire::read_frame(&mut self.stream).await? {
            None => Ok(()),
            Some(frame) => Err(io::Error::other(format!("after the Close: {frame:?}"))),
        }
    }
}
