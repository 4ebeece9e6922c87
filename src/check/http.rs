//! One plain GET on a connection of its own.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::eye::{Eye, since, wall_now};
use super::visit::Caller;
use crate::session::{Dial, Event, Head, Offset, Record, Wall};
use crate::socket::{Failure, Stream};
use crate::upgrade::{ResponseHead, ResponseReader};

/// How much of a body is read.
const BODY_READ: usize = 64 * 1024;

/// What came of a GET.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) took: Offset,
    pub(super) result: Result<Answer, NoAnswer>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) body: String,
    /// When the head was complete.
    pub(super) at: Wall,
    /// The exchange as the rules see it.
    pub(super) record: Box<Record>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoAnswer {
    NotDialled(Box<Dial>),
    /// FIN without a byte.
    Empty,
    Failed(Failure),
    TimedOut,
    /// Bytes that are not HTTP.
    NotHttp(Vec<u8>),
}

impl Answer {
    pub(super) fn server(&self) -> Option<&str> {
        self.head.header("server")
    }
}

/// Asks for this path.
pub(super) async fn get(caller: &Caller, path: &str) -> Got {
    let began = Instant::now();
    let dialled = caller.dial().await;
    let result = match dialled.result {
        Err(_) => Err(NoAnswer::NotDialled(Box::new(dialled.dial))),
        Ok(stream) => {
            let eye = caller.eye();
            eye.fact(Event::Dial(dialled.dial));
            let asking = ask(stream, caller, path, &eye);
            timeout(caller.patience, asking).await.unwrap_or(Err(NoAnswer::TimedOut))
        }
    };
    Got { took: since(began), result }
}

async fn ask(
    mut stream: Stream,
    caller: &Caller,
    path: &str,
    eye: &Eye,
) -> Result<Answer, NoAnswer> {
    let failed = |error: std::io::Error| NoAnswer::Failed(Stream::read_failure(&error));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: wstap/{}\r\nAccept: */*\r\n{}Connection: close\r\n\r\n",
        caller.target.host,
        env!("CARGO_PKG_VERSION"),
        caller.target.header_lines(),
    );
    eye.fact(Event::Request { head: eye.head(request.as_bytes()), changes: Vec::new() });
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let (head, mut rest) = read_head(&mut stream).await?;
    let at = wall_now();
    let mut body = head.follow_body();
    let mut kept = Vec::new();
    loop {
        body.feed(&rest, |piece| {
            let room = BODY_READ.saturating_sub(kept.len()).min(piece.len());
            kept.extend_from_slice(&piece[..room]);
        });
        if body.is_done() || kept.len() >= BODY_READ {
            break;
        }
        rest.clear();
        // Servers that reset after the last byte have said all.
        if !matches!(stream.read_buf(&mut rest).await, Ok(1..)) {
            break;
        }
    }
    let text = eye.line(&String::from_utf8_lossy(&kept));
    let raw = eye.head(&head.raw);
    eye.fact(Event::Response { head: raw.clone(), interim: head.interim.clone() });
    eye.fact(Event::ResponseBody { text: text.clone(), bytes: body.content() });
    let record = Box::new(eye.record());
    Ok(Answer { status: head.status, head: raw, body: text, at, record })
}

/// The next response head, and the bytes behind it.
pub(super) async fn read_head(stream: &mut Stream) -> Result<(ResponseHead, Vec<u8>), NoAnswer> {
    let mut reader = ResponseReader::new(false);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        match stream.read_buf(&mut buffer).await {
            Ok(0) if reader.incomplete().is_empty() => return Err(NoAnswer::Empty),
            Ok(0) => return Err(NoAnswer::NotHttp(reader.incomplete().to_vec())),
            Ok(_) => {}
            Err(error) => return Err(NoAnswer::Failed(Stream::read_failure(&error))),
        }
        match reader.feed(&buffer) {
            Ok(None) => {}
            Ok(Some((head, used))) => return Ok((head, buffer.split_off(used))),
            Err(bytes) => return Err(NoAnswer::NotHttp(bytes)),
        }
    }
}
