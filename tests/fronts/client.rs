//! What goes through the front: a client of the stand-in, and what it saw.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wstap::gateway::client::{Ended, Farewell, Script};

pub(crate) const TOKEN: &str = "throw-away-token";

const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server that does not speak HTTP/1 is listened to.
const RAW: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Connects, calls `health`, closes.
    Cli,
    /// Connects and says nothing more until it is cut off.
    Idle,
    /// Sends an upgrade and takes whatever comes as bytes.
    Raw,
}

/// What is the same in every run, or should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) status_line: String,
    headers: Vec<(String, String)>,
    body: String,
    frames: usize,
    close: Option<(Option<u16>, String)>,
    pub(crate) ended: String,
    raw: Vec<u8>,
}

impl Client {
    pub(crate) async fn visit(self, address: SocketAddr) -> Sight {
        match self {
            Self::Cli => run(&script(address), address).await,
            Self::Idle => {
                let script = script(address);
                let calls = Vec::new();
                run(&Script { calls, farewell: Farewell::Stay, ..script }, address).await
            }
            Self::Raw => raw(address).await,
        }
    }
}

fn script(address: SocketAddr) -> Script {
    let headers = vec![("Origin".to_owned(), format!("http://{address}"))];
    Script { headers, patience: PATIENCE, ..Script::cli(TOKEN) }
}

async fn run(script: &Script, address: SocketAddr) -> Sight {
    let seen = script.run(address).await.expect("the front can be reached");
    let keeps = |name: &str| {
        !["date", "sec-websocket-accept", "etag", "last-modified"]
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other))
    };
    let ended = match seen.ended {
        // Whether the FIN behind a Close is still seen is a race at the client.
        Ended::Closed | Ended::Fin if seen.close.is_some() => "closed".to_owned(),
        ended => format!("{ended:?}").to_lowercase(),
    };
    Sight {
        status_line: seen.status_line,
        headers: seen.headers.into_iter().filter(|(name, _)| keeps(name)).collect(),
        body: seen.body,
        frames: seen.frames.len(),
        close: seen.close.map(|close| (close.code, close.reason)),
        ended,
        raw: Vec::new(),
    }
}

async fn raw(address: SocketAddr) -> Sight {
    let mut stream = TcpStream::connect(address).await.expect("the front can be reached");
    let head = "GET / HTTP/1.1\r\nHost: front.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("the head is sent");
    let mut raw = Vec::new();
    let ended = match tokio::time::timeout(RAW, stream.read_to_end(&mut raw)).await {
        Ok(Ok(_)) => "fin".to_owned(),
        Ok(Err(error)) => format!("{:?}", error.kind()),
        Err(_) => "open".to_owned(),
    };
    Sight { ended, raw, ..Sight::default() }
}
