//! One TCP connection: its request heads, up to the one that upgrades.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connect::Caller;
use super::head::{self, Arrival, Head};
use super::ingress::{self, Ingress};
use super::policy::{Misbehaviour, Policy};
use super::session::{self, Opening};
use super::{Shared, Unauthenticated, challenge, ending, page};

/// How long a quiet keep-alive connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if let Err(error) = converse(stream, peer.ip().to_canonical(), &shared).await {
        tracing::debug!(%error, "a connection to the stand-in gateway ended");
    }
}

async fn converse(mut stream: TcpStream, peer: IpAddr, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut first = true;
    loop {
        let reading = head::read(&mut stream, &mut buffer);
        let arrival = if first {
            reading.await?
        } else {
            match tokio::time::timeout(KEEP_ALIVE, reading).await {
                Ok(arrival) => arrival?,
                Err(_) => return Ok(()),
            }
        };
        let head = match arrival {
            Arrival::Head(head) => head,
            Arrival::Malformed => {
                return dismiss(stream, &head::bare("400 Bad Request")).await;
            }
            Arrival::Gone => return Ok(()),
        };
        let policy = shared.policy.load_full();
        let ingress = ingress::attribute(peer, &head.headers, &policy);
        if ingress == Ingress::Unattributable {
            return dismiss(stream, &head::attribution_required()).await;
        }
        if head.is_upgrade() {
            let upgrade = Upgrade {
                head,
                policy,
                address: match ingress {
                    Ingress::Remote(address) => address,
                    Ingress::Local | Ingress::Unattributable => peer,
                },
                local: ingress.is_local(),
                early: buffer,
            };
            return upgrade.answer(stream, shared).await;
        }
        let framed = skip_body(&mut stream, &mut buffer, head.body_length()).await?;
        let keep_alive = framed && head.keeps_alive();
        stream.write_all(&page::answer(&head, keep_alive)).await?;
        if !keep_alive {
            return ending::leave(stream).await;
        }
        first = false;
    }
}

/// False if the body's end cannot be known.
async fn skip_body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    length: Option<usize>,
) -> io::Result<bool> {
    let Some(length) = length else {
        return Ok(false);
    };
    let mut missing = length.saturating_sub(buffer.len());
    buffer.drain(..length.min(buffer.len()));
    let mut sink = [0; 4096];
    while missing > 0 {
        let wanted = missing.min(sink.len());
        match stream.read(&mut sink[..wanted]).await? {
            0 => return Ok(false),
            read => missing -= read,
        }
    }
    Ok(true)
}

async fn dismiss(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    ending::leave(stream).await
}

struct Upgrade {
    head: Head,
    policy: Arc<Policy>,
    address: IpAddr,
    local: bool,
    /// Bytes that came behind the head.
    early: Vec<u8>,
}

impl Upgrade {
    async fn answer(self, mut stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
        if let Some(refusal) = guarded_path(self.head.path()) {
            return dismiss(stream, &refusal).await;
        }
        let Some(unauthenticated) =
            Unauthenticated::admit(shared, self.address, self.policy.max_preauth)
        else {
            return dismiss(stream, &head::too_many_sockets()).await;
        };
        let mut accept = match head::accept_key(&self.head) {
            Ok(accept) => accept,
            Err(answer) => return dismiss(stream, &answer).await,
        };
        let next = shared.state().next.pop_front();
        let plan = next.unwrap_or_else(|| self.policy.misbehaviour.clone());
        match &plan {
            Misbehaviour::RefuseUpgrade { status, body } => {
                let answer = head::foreign(*status, "text/plain; charset=utf-8", body);
                return dismiss(stream, &answer).await;
            }
            Misbehaviour::HtmlPage => {
                let answer = head::foreign(200, "text/html; charset=utf-8", &page::control_ui());
                return dismiss(stream, &answer).await;
            }
            Misbehaviour::NoAnswer => {
                ending::hold(&mut stream).await;
                return Ok(());
            }
            Misbehaviour::BadAccept => accept.replace_range(..4, "AAAA"),
            Misbehaviour::None | Misbehaviour::NoChallenge | Misbehaviour::End { .. } => {}
        }
        let opening = Opening {
            caller: Caller {
                local: self.local,
                origin: self.head.header("Origin").map(str::to_owned),
                host: self.head.header("Host").map(str::to_owned),
                nonce: challenge::uuid(),
            },
            answer: head::switching_protocols(&self.head, &accept),
            early: self.early,
            auth_generation: shared.auth_generation.load(Ordering::Relaxed),
            policy: self.policy,
            plan,
            unauthenticated,
        };
        session::run(stream, opening, shared).await
    }
}

/// Paths of other protocols, which never see the main one's 101.
fn guarded_path(path: &str) -> Option<String> {
    if path.starts_with("/__openclaw__/worker/") {
        return Some(head::bare("404 Not Found"));
    }
    let ticketed = ["/desktop/observe", "/node-desktop/attach", "/node-portal/attach"];
    if path.starts_with("/api/channels/") || ticketed.contains(&path) {
        return Some(head::bare("401 Unauthorized"));
    }
    None
}
