//! One visit of a target as a client: dial, upgrade, and then a [`Line`].

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::eye::{Eye, How};
use super::http::{NoAnswer, read_head};
use super::line::Line;
use super::target::{Reach, Target};
use super::watched::Watched;
use crate::connect::{Dialer, DialerError, Dialled, Upstream};
use crate::redact::{FingerprintKey, Redactor};
use crate::session::{DialFailure, DialStep, Event, Leg, OpaqueFacts};
use crate::socket::Stream;
use crate::upgrade::ResponseHead;

const USER_AGENT: &str = concat!("User-Agent: wstap/", env!("CARGO_PKG_VERSION"), "\r\n");

/// How long the body of a refusal is waited for.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
const BODY_KEPT: usize = 4096;

/// Visits one target, as often as asked.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) target: Target,
    pub(super) patience: Duration,
    pub(super) dialer: Dialer,
    pin: Option<String>,
    redactor: Redactor,
}

/// A session that did not come to frames; its record tells why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) eye: Eye,
    pub(super) stage: Stage,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Dial,
    Upgrade,
}

impl Caller {
    pub(super) fn new(target: &Target, reach: &Reach) -> Result<Self, DialerError> {
        let dialer = reach.dialer(&target.upstream)?;
        Ok(Self::with(target.clone(), reach, dialer))
    }

    /// Visits another upstream by the same means, whatever its certificate: to see what it speaks.
    pub(super) fn elsewhere(
        &self,
        upstream: &Upstream,
        reach: &Reach,
    ) -> Result<Self, DialerError> {
        let mut reach = reach.clone();
        reach.tls.insecure = true;
        let dialer = reach.dialer(upstream)?;
        let target = Target { upstream: upstream.clone(), ..self.target.clone() };
        Ok(Self::with(target, &reach, dialer))
    }

    fn with(target: Target, reach: &Reach, dialer: Dialer) -> Self {
        let mut key = [0; 32];
        fastrand::fill(&mut key);
        let redactor = Redactor::new(FingerprintKey::new(key), true);
        Self { target, patience: reach.patience, dialer, pin: reach.pin.clone(), redactor }
    }

    pub(super) fn eye(&self) -> Eye {
        Eye::open(&self.redactor)
    }

    /// Dials; a certificate that is not the pinned one is a failure of it.
    pub(super) async fn dial(&self) -> Dialled {
        let mut dialled = self.dialer.dial().await;
        let Some(pin) = &self.pin else { return dialled };
        let shown = dialled.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let sha256 = shown.map(|certificate| certificate.sha256.clone()).unwrap_or_default();
        if dialled.result.is_ok() && self.dialer.upstream().is_tls() && sha256 != *pin {
            let failure = DialFailure {
                step: DialStep::Tls,
                cause: "certificate".to_owned(),
                detail: format!("the certificate is another one than the pinned: {sha256}"),
                timed_out: false,
            };
            dialled.dial.failure = Some(failure.clone());
            dialled.result = Err(failure);
        }
        dialled
    }

    /// Dials and upgrades.
    pub(super) async fn open(&self, origin: Option<&str>) -> Result<Line, Refused> {
        let eye = self.eye();
        let Dialled { result, dial, tls } = self.dial().await;
        eye.fact(Event::Dial(dial));
        if let Some(facts) = tls {
            eye.fact(Event::Tls { leg: Leg::Upstream, facts });
        }
        let Ok(stream) = result else { return Err(Refused { eye, stage: Stage::Dial }) };
        match self.upgrade(stream, &eye, origin).await {
            Some(line) => Ok(line),
            None => Err(Refused { eye, stage: Stage::Upgrade }),
        }
    }

    async fn upgrade(&self, mut stream: Stream, eye: &Eye, origin: Option<&str>) -> Option<Line> {
        let request = self.request(origin);
        eye.fact(Event::Request { head: eye.head(request.as_bytes()), changes: Vec::new() });
        let asking = async {
            let sent = async {
                stream.write_all(request.as_bytes()).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| NoAnswer::Failed(Stream::read_failure(&error)))?;
            read_head(&mut stream).await
        };
        let (head, early) = match timeout(self.patience, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => {
                unanswered(eye, why);
                return None;
            }
            Err(_) => {
                eye.ended(Leg::Downstream, &How::Fin);
                return None;
            }
        };
        let raw = eye.head(&head.raw);
        eye.fact(Event::Response { head: raw, interim: head.interim.clone() });
        let accepted = eye.record().response.is_some_and(|r| r.accept_ok == Some(true));
        if head.status == 101 && accepted {
            eye.upgraded(head.extensions.as_deref());
            let watched = Watched::new(stream, eye.clone(), &early);
            return Some(Line::new(watched, early, eye.clone(), self.patience).await);
        }
        if head.status != 101 {
            refusal_body(&mut stream, eye, &head, early).await;
        }
        eye.ended(Leg::Downstream, &How::Fin);
        None
    }

    /// As Node's WebSocket clients write it; compression is not offered, for no gateway takes it.
    /// What comes with an Origin, as from a browser, has a User-Agent too: it tells a tap on the way
    /// that nobody uses this origin.
    fn request(&self, origin: Option<&str>) -> String {
        let mut key = [0; 16];
        fastrand::fill(&mut key);
        let key = STANDARD.encode(key);
        let given = self.target.header_lines();
        let agent =
            if given.to_ascii_lowercase().contains("user-agent:") { "" } else { USER_AGENT };
        let origin = origin.map(|value| format!("Origin: {value}\r\n{agent}")).unwrap_or_default();
        format!(
            "GET {} HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\n{origin}{given}Host: {}\r\n\r\n",
            self.target.path, self.target.host
        )
    }
}

fn unanswered(eye: &Eye, why: NoAnswer) {
    match why {
        NoAnswer::Empty => eye.ended(Leg::Upstream, &How::Fin),
        NoAnswer::Failed(failure) => eye.ended(Leg::Upstream, &How::Failed(failure)),
        NoAnswer::NotHttp(_) => eye.fact(Event::Opaque(OpaqueFacts::named("not_http"))),
        NoAnswer::TimedOut | NoAnswer::NotDialled(_) => eye.ended(Leg::Downstream, &How::Fin),
    }
}

async fn refusal_body(stream: &mut Stream, eye: &Eye, head: &ResponseHead, early: Vec<u8>) {
    use tokio::io::AsyncReadExt as _;

    let mut body = head.follow_body();
    let mut kept = Vec::new();
    let mut rest = early;
    let reading = async {
        loop {
            body.feed(&rest, |piece| {
                let room = BODY_KEPT.saturating_sub(kept.len()).min(piece.len());
                kept.extend_from_slice(&piece[..room]);
            });
            rest.clear();
            if body.is_done() || !matches!(stream.read_buf(&mut rest).await, Ok(1..)) {
                break;
            }
        }
    };
    // What has come by then is what there is to show.
    drop(timeout(BODY_PATIENCE, reading).await);
    let text = eye.line(&String::from_utf8_lossy(&kept));
    eye.fact(Event::ResponseBody { text, bytes: body.content() });
}
