//! Both ends of the opening handshake, RFC 6455 section 4, as small as a load needs it.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const LONGEST_HEAD: usize = 16 * 1024;

/// A head as text, and the bytes that came behind it.
pub(crate) struct Head {
    pub(crate) text: String,
    pub(crate) rest: Vec<u8>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn path(&self) -> Option<&str> {
        self.text.split(' ').nth(1)
    }
}

/// `None` when the stream ended before its first byte, as a health probe does.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> anyhow::Result<Option<Head>> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            ensure!(bytes.is_empty(), "the stream ended inside a head");
            return Ok(None);
        }
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some(Head { text: String::from_utf8(bytes)?, rest }));
        }
        ensure!(bytes.len() < LONGEST_HEAD, "a head of more than {LONGEST_HEAD} bytes");
    }
}

/// The value of Sec-WebSocket-Accept, RFC 6455 section 4.2.2.
fn accept_of(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(digest)
}

/// Answers an upgrade request.
pub(crate) async fn accept<S: AsyncWrite + Unpin>(
    stream: &mut S,
    head: &Head,
) -> anyhow::Result<()> {
    let key = head.header("sec-websocket-key").context("an upgrade without a key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_of(key)
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(())
}

/// Upgrades a fresh connection; returns the bytes that came right behind the 101.
pub(crate) async fn upgrade<S>(
    stream: &mut S,
    authority: &str,
    path: &str,
) -> anyhow::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let head = read_head(stream).await?.context("no answer to the upgrade")?;
    let status = head.text.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101 ") {
        bail!("the upgrade was answered with {status:?}");
    }
    let accept = head.header("sec-websocket-accept");
    ensure!(accept == Some(accept_of(&key).as_str()), "the answer does not fit the key");
    Ok(head.rest)
}
