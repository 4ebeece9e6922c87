//! Both ends of a session through the proxy: the client that asks, the upstream that answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{sleep, timeout};

use super::head::{self, has_word, is_upgrade, pair, status, switching, written};
use super::hub::{Arrival, Hub, Waiting};
use super::peer::{Answer, End, Gone, Peer};
use crate::check::visit::Caller;
use crate::session::Head;

/// How long the body of a refusal is waited for: it may name the proxy.
const BODY: Duration = Duration::from_millis(300);

/// What every handshake offers: a server takes the first.
pub(super) const PROTOCOLS: &str = "wstap.v1, wstap.v2";
const DEFLATE: &str = "permessage-deflate";

#[derive(Debug)]
pub(super) struct Rig {
    pub(super) hub: Hub,
    /// How long the proxy may take to pass something on.
    pub(super) patience: Duration,
    pub(super) idle_max: Duration,
    caller: Caller,
    run: u32,
    asked: AtomicU64,
}

/// One handshake, as a trial wants it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// More request headers.
    pub(super) more: Vec<(String, String)>,
    /// More headers of the 101.
    pub(super) answer: Vec<(String, String)>,
    /// Bytes in the segment of the request head.
    pub(super) behind: Vec<u8>,
    /// Bytes in the segment of the 101.
    pub(super) with_answer: Vec<u8>,
    /// How long the upstream takes to answer.
    pub(super) delay: Duration,
}

/// A session that is open at both ends.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) client: Peer,
    pub(super) upstream: Peer,
    pub(super) heads: Heads,
}

/// The heads of one handshake, at both ends.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    pub(super) asked: Head,
    pub(super) arrived: Option<Head>,
    pub(super) answered: Option<Head>,
    pub(super) received: Option<Head>,
}

/// A handshake that did not open a session.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) heads: Heads,
    pub(super) how: How,
    /// The beginning of the answer's body.
    pub(super) body: String,
}

/// What the client got instead of its 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Dial(String),
    /// Another status: it is in `received`.
    Answered(u16),
    NotHttp(Vec<u8>),
    Gone(Gone),
    Silent,
}

/// A plain request, at both ends.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) heads: Heads,
    pub(super) body: String,
}

impl Rig {
    pub(super) fn new(caller: Caller, hub: Hub, idle_max: Duration) -> Self {
        let patience = caller.patience;
        let run = fastrand::u32(..);
        Self { hub, patience, idle_max, caller, run, asked: AtomicU64::new(0) }
    }

    /// Opens a session through the proxy.
    pub(super) async fn open(&self, ask: Ask) -> Result<Opened, Box<Broken>> {
        let (mut client, mut waiting, asked) = self.begin(&ask).await?;
        let patience = self.patience + ask.delay;
        let mut heads = Heads::of(asked);
        let shaking = self.shake(&mut client, &mut waiting, &mut heads, &ask);
        let (how, upstream) = match timeout(patience, shaking).await {
            Ok(Ok(upstream)) => (None, Some(upstream)),
            Ok(Err(how)) => (Some(how), None),
            Err(_) => (Some(How::Silent), None),
        };
        match (how, upstream) {
            (None, Some(upstream)) => Ok(Opened { client, upstream, heads }),
            (how, _) => {
                let body = String::from_utf8_lossy(&client.rest(BODY).await).into_owned();
                let how = how.unwrap_or(How::Silent);
                Err(Box::new(Broken { heads, how, body }))
            }
        }
    }

    /// Sends an upgrade and leaves the upstream's side to the trial.
    pub(super) async fn begin(&self, ask: &Ask) -> Result<(Peer, Waiting, Head), Box<Broken>> {
        let token = self.token();
        let waiting = self.hub.expect(&token);
        let asked = self.upgrade_head(&token, &ask.more);
        let mut client = self.dial(&asked).await?;
        let bytes = [asked.raw.as_bytes(), &ask.behind].concat();
        // A proxy that refuses early may be gone already; its answer is still to be read.
        if let Err(error) = client.send_bytes(&bytes).await {
            tracing::debug!(%error, "the proxy did not take the whole request");
        }
        Ok((client, waiting, asked))
    }

    /// Sends a plain request with a body, and answers it with 200.
    pub(super) async fn exchange(
        &self,
        method: &str,
        body: &[u8],
    ) -> Result<Exchanged, Box<Broken>> {
        let token = self.token();
        let mut waiting = self.hub.expect(&token);
        let target = self.target_of(&token);
        let mut headers = vec![
            pair("Host", &*self.caller.target.host),
            pair("User-Agent", "wstap"),
            pair("Accept", "*/*"),
            pair(head::TOKEN, token),
        ];
        headers.extend_from_slice(&self.caller.target.headers);
        if !body.is_empty() {
            headers.push(pair("Content-Length", body.len().to_string()));
        }
        let asked = written(&format!("{method} {target} HTTP/1.1"), &headers);
        let mut client = self.dial(&asked).await?;
        let bytes = [asked.raw.as_bytes(), body].concat();
        let mut heads = Heads::of(asked);
        let asking = async {
            let arrival = tokio::select! {
                biased;
                arrival = waiting.next() => arrival,
                answer = async {
                    if let Err(error) = client.send_bytes(&bytes).await {
                        tracing::debug!(%error, "the proxy did not take the whole request");
                    }
                    client.answer().await
                } => return Err(answered(answer, &mut heads)),
            };
            let Some(arrival) = arrival else { return Err(How::Silent) };
            heads.arrived = Some(arrival.head);
            let mut upstream = Peer::new(arrival.stream, arrival.behind, End::Upstream);
            let answer = head::answer("200 OK", "wstap");
            heads.answered = Some(head::answer("200 OK", ""));
            upstream.have(body.len(), BODY).await;
            failed(upstream.send_bytes(answer.raw.as_bytes()).await);
            let how = answered(client.answer().await, &mut heads);
            upstream.rest(Duration::from_millis(50)).await;
            Err::<(), How>(how)
        };
        let how = timeout(self.patience, asking)
            .await
            .map_or(How::Silent, |how| how.err().unwrap_or(How::Silent));
        let body = String::from_utf8_lossy(&client.rest(BODY).await).into_owned();
        match how {
            How::Answered(_) => Ok(Exchanged { heads, body }),
            How::Dial(_) | How::NotHttp(_) | How::Gone(_) | How::Silent => {
                Err(Box::new(Broken { heads, how, body }))
            }
        }
    }

    /// Sends bytes that are no good request: what a proxy says to them often names it.
    pub(super) async fn provoke(&self) -> Option<(Head, String)> {
        let text =
            format!("GET / HTTP/1.1\r\nHost: {}\r\nno header\r\n\r\n", self.caller.target.host);
        let mut client = Peer::new(self.caller.dial().await.result.ok()?, Vec::new(), End::Client);
        client.send_bytes(text.as_bytes()).await.ok()?;
        let Ok(Answer::Head(head)) = timeout(BODY, client.answer()).await else { return None };
        let body = client.rest(BODY).await;
        Some((head, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn dial(&self, asked: &Head) -> Result<Peer, Box<Broken>> {
        match self.caller.dial().await.result {
            Ok(stream) => Ok(Peer::new(stream, Vec::new(), End::Client)),
            Err(failure) => Err(Box::new(Broken {
                heads: Heads::of(asked.clone()),
                how: How::Dial(failure.detail),
                body: String::new(),
            })),
        }
    }

    async fn shake(
        &self,
        client: &mut Peer,
        waiting: &mut Waiting,
        heads: &mut Heads,
        ask: &Ask,
    ) -> Result<Peer, How> {
        let arrival = tokio::select! {
            biased;
            arrival = waiting.next() => arrival,
            answer = client.answer() => return Err(answered(answer, heads)),
        };
        let Some(Arrival { stream, head, behind }) = arrival else { return Err(How::Silent) };
        let mut upstream = Peer::new(stream, behind, End::Upstream);
        let answer = if is_upgrade(&head) {
            sleep(ask.delay).await;
            switching(&head, &[negotiated(&head), ask.answer.clone()].concat())
        } else {
            head::answer("426 Upgrade Required", "")
        };
        heads.arrived = Some(head);
        let bytes = match status(&answer) {
            Some(101) => [answer.raw.as_bytes(), &ask.with_answer].concat(),
            Some(_) | None => answer.raw.as_bytes().to_vec(),
        };
        heads.answered = Some(answer);
        failed(upstream.send_bytes(&bytes).await);
        match answered(client.answer().await, heads) {
            How::Answered(101) => Ok(upstream),
            how => Err(how),
        }
    }

    fn upgrade_head(&self, token: &str, more: &[(String, String)]) -> Head {
        let mut key = [0; 16];
        fastrand::fill(&mut key);
        let mut headers = vec![
            pair("Host", &*self.caller.target.host),
            pair("User-Agent", "wstap"),
            pair("Upgrade", "websocket"),
            pair("Connection", "Upgrade"),
            pair("Origin", self.origin()),
            pair("Sec-WebSocket-Version", "13"),
            pair("Sec-WebSocket-Key", STANDARD.encode(key)),
            pair("Sec-WebSocket-Protocol", PROTOCOLS),
            pair("Sec-WebSocket-Extensions", format!("{DEFLATE}; client_max_window_bits")),
            pair(head::TOKEN, token),
        ];
        headers.extend_from_slice(&self.caller.target.headers);
        headers.extend_from_slice(more);
        written(&format!("GET {} HTTP/1.1", self.target_of(token)), &headers)
    }

    /// As pages on this host name themselves.
    fn origin(&self) -> String {
        let target = &self.caller.target;
        let scheme = if target.upstream.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}", target.host)
    }

    /// The request target of one trial.
    fn target_of(&self, token: &str) -> String {
        let path = &self.caller.target.path;
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}wstap={token}")
    }

    fn token(&self) -> String {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}{number:04x}", self.run)
    }
}

impl Broken {
    /// What came instead of a session, in words.
    pub(super) fn words(&self) -> String {
        let server = self.heads.received.as_ref().and_then(|head| head.header_joined("server"));
        match &self.how {
            How::Dial(detail) => detail.clone(),
            How::Answered(_) => {
                let line = self.heads.received.as_ref().map_or("", |head| head.start_line());
                let by = server.map(|server| format!(" (Server: {server})")).unwrap_or_default();
                format!("{line}{by}")
            }
            How::NotHttp(bytes) => format!("{} bytes that are no HTTP/1 answer", bytes.len()),
            How::Gone(gone) => format!("{} instead of an answer", gone.name()),
            How::Silent => "no answer in time".to_owned(),
        }
    }
}

impl Heads {
    const fn of(asked: Head) -> Self {
        Self { asked, arrived: None, answered: None, received: None }
    }
}

/// What the upstream takes of what is still offered when it arrives.
fn negotiated(arrived: &Head) -> Vec<(String, String)> {
    let mut taken = Vec::new();
    let offered = arrived.header_joined("sec-websocket-protocol").unwrap_or_default();
    if let Some(first) = offered.split(',').map(str::trim).find(|one| !one.is_empty()) {
        taken.push(pair("Sec-WebSocket-Protocol", first));
    }
    let extensions = arrived.header_joined("sec-websocket-extensions").unwrap_or_default();
    let offers_deflate = extensions
        .split(',')
        .any(|one| one.split(';').next().is_some_and(|name| name.trim() == DEFLATE));
    if offers_deflate {
        taken.push(pair("Sec-WebSocket-Extensions", DEFLATE));
    }
    debug_assert!(has_word(arrived, "upgrade", "websocket"));
    taken
}

fn answered(answer: Answer, heads: &mut Heads) -> How {
    match answer {
        Answer::Head(head) => {
            let how = status(&head).map_or_else(|| How::NotHttp(Vec::new()), How::Answered);
            heads.received = Some(head);
            how
        }
        Answer::NotHttp(bytes) => How::NotHttp(bytes),
        Answer::Gone(gone) => How::Gone(gone),
    }
}

/// A write that fails shows at the other end as what does not arrive.
fn failed(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the proxy closed while it was written to");
    }
}
