//! One session after the upgrade: challenge, connect, calls, ticks, pings and its end.
use std::future::pending;
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::call::{self, Outcome};
use super::connect::{self, Caller, Grant};
use super::hello::{self, MAX_PAYLOAD, Told};
use super::policy::{Announcement, Ending, Misbehaviour, Policy, When};
use super::refusal::Refusal;
use super::{Shared, Signal, Unauthenticated, Welcomed, challenge, ending};

const MAX_PREAUTH_PAYLOAD: usize = 65_536;
const ANSWERED_ROLE_ERRORS: u32 = 11;

/// What the reception hands over.
pub(super) struct Opening {
    pub(super) caller: Caller,
    /// The 101, not written yet.
    pub(super) answer: String,
    pub(super) early: Vec<u8>,
    pub(super) auth_generation: u64,
    pub(super) policy: Arc<Policy>,
    pub(super) plan: Misbehaviour,
    pub(super) unauthenticated: Unauthenticated,
}

/// Whether to go on, or how to end; `None` is the end the peer chose.
type Flow = ControlFlow<Option<Ending>>;

pub(super) async fn run(
    mut stream: TcpStream,
    mut opening: Opening,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let silent = opening.plan == Misbehaviour::NoChallenge
        || matches!(opening.plan, Misbehaviour::End { when: When::Frames(0), .. });
    let mut first = std::mem::take(&mut opening.answer).into_bytes();
    if !silent {
        // The gateway's challenge leaves in the segment of its 101.
        append_text_frame(&mut first, &challenge::event(&opening.caller.nonce));
    }
    stream.write_all(&first).await?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_PAYLOAD))
        .max_frame_size(Some(MAX_PAYLOAD));
    let early = std::mem::take(&mut opening.early);
    let ws = WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await;
    Session::new(ws, opening, shared, u32::from(!silent)).run().await
}

/// RFC 6455 section 5.2, a text frame short enough for a 16-bit length.
fn append_text_frame(wire: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    wire.extend_from_slice(&[0x81, 126]);
    wire.extend_from_slice(&length.to_be_bytes());
    wire.extend_from_slice(text.as_bytes());
}

struct Session {
    ws: WebSocketStream<TcpStream>,
    shared: Arc<Shared>,
    signals: broadcast::Receiver<Signal>,
    caller: Caller,
    policy: Arc<Policy>,
    plan: Misbehaviour,
    auth_generation: u64,
    unauthenticated: Option<Unauthenticated>,
    welcomed: Option<Welcomed>,
    grant: Option<Grant>,
    conn_id: String,
    opened: Instant,
    sent: u32,
    seq: u64,
    role_errors: u32,
    unanswered_pings: u32,
    pings: Interval,
    ticks: Interval,
}

impl Session {
    fn new(
        ws: WebSocketStream<TcpStream>,
        opening: Opening,
        shared: &Arc<Shared>,
        sent: u32,
    ) -> Self {
        let every = |period: Duration| {
            // An interval of nothing is not one.
            let period = period.max(Duration::from_millis(1));
            let mut interval = interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self {
            ws,
            signals: shared.signals.subscribe(),
            shared: Arc::clone(shared),
            caller: opening.caller,
            pings: every(opening.policy.ping_interval),
            ticks: every(opening.policy.tick_interval),
            policy: opening.policy,
            plan: opening.plan,
            auth_generation: opening.auth_generation,
            unauthenticated: Some(opening.unauthenticated),
            welcomed: None,
            grant: None,
            conn_id: challenge::uuid(),
            opened: Instant::now(),
            sent,
            seq: 0,
            role_errors: 0,
            unanswered_pings: 0,
        }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut flow = self.planned();
        loop {
            match flow {
                Continue(()) => flow = self.step().await,
                Break(Some(how)) => return ending::perform(self.ws, how).await,
                Break(None) => return ending::leave(self.ws.into_inner()).await,
            }
        }
    }

    async fn step(&mut self) -> Flow {
        let welcomed = self.grant.is_some();
        let handshake_end = self.opened + self.policy.handshake_timeout;
        let cut = self.planned_cut();
        tokio::select! {
            message = self.ws.next() => self.received(message).await,
            signal = self.signals.recv() => match signal {
                Ok(signal) => self.signalled(signal).await,
                Err(_) => Continue(()),
            },
            how = cut_off(cut) => Break(Some(how)),
            () = sleep_until(handshake_end), if !welcomed => Break(Some(closing(1000, ""))),
            _ = self.pings.tick(), if welcomed => self.ping().await,
            _ = self.ticks.tick(), if welcomed => {
                self.event("tick", json!({ "ts": challenge::now_ms() }), &[]).await
            }
        }
    }

    async fn received(&mut self, message: Option<Result<Message, Error>>) -> Flow {
        match message {
            Some(Ok(Message::Text(text))) => self.frame(text.as_bytes()).await,
            Some(Ok(Message::Binary(bytes))) => self.frame(&bytes).await,
            Some(Ok(Message::Pong(_))) => {
                self.unanswered_pings = 0;
                Continue(())
            }
            // The library answers both; reading on lets its answer leave.
            Some(Ok(Message::Ping(_) | Message::Close(_) | Message::Frame(_))) => Continue(()),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Break(None),
            Some(Err(Error::Protocol(_))) => Break(Some(closing(1002, ""))),
            Some(Err(Error::Utf8(_))) => Break(Some(closing(1007, ""))),
            Some(Err(Error::Capacity(_))) => Break(Some(closing(1009, ""))),
            Some(Err(_)) | None => Break(None),
        }
    }

    async fn frame(&mut self, bytes: &[u8]) -> Flow {
        if self.grant.is_none() && bytes.len() > MAX_PREAUTH_PAYLOAD {
            return Break(Some(closing(1009, "")));
        }
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return if self.grant.is_none() {
                Break(Some(closing(1000, "")))
            } else {
                Continue(())
            };
        };
        let request = (value["type"] == "req")
            .then(|| value["id"].as_str().zip(value["method"].as_str()))
            .flatten();
        let Some((id, method)) = request else {
            return Break(Some(closing(1008, "invalid request frame")));
        };
        match self.grant.clone() {
            Some(grant) => self.call(id, method, &value["params"], &grant).await,
            None if method == "connect" => self.connect(id, &value["params"]).await,
            None => {
                let fault = "invalid handshake: first request must be connect";
                self.refuse(id, &Refusal::new("INVALID_REQUEST", fault)).await
            }
        }
    }

    async fn connect(&mut self, id: &str, params: &Value) -> Flow {
        if self.auth_generation != self.shared.auth_generation.load(Ordering::Relaxed) {
            return Break(Some(closing(4001, "gateway auth changed")));
        }
        let decision = connect::decide(
            params,
            &self.caller,
            &self.policy,
            &mut self.shared.state().devices,
            challenge::now_ms(),
        );
        let grant = match decision {
            Ok(grant) => grant,
            Err(refusal) => return self.refuse(id, &refusal).await,
        };
        let uptime = self.shared.started.elapsed().as_millis();
        let payload = hello::hello_ok(&Told {
            grant: &grant,
            policy: &self.policy,
            boot_id: &self.shared.boot_id,
            conn_id: &self.conn_id,
            host: self.caller.host.as_deref(),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
        });
        self.grant = Some(grant);
        self.unauthenticated = None;
        self.welcomed = Some(Welcomed::count(&self.shared));
        self.pings.reset();
        self.ticks.reset();
        let hello = json!({ "type": "res", "id": id, "ok": true, "payload": payload });
        self.send(Message::text(hello.to_string())).await?;
        if let Misbehaviour::End { when: When::Hello, how } = &self.plan {
            return Break(Some(how.clone()));
        }
        self.announce().await
    }

    async fn announce(&mut self) -> Flow {
        let version = ("stateVersion", hello::state_version());
        for announcement in self.policy.announcements.clone() {
            match announcement {
                Announcement::Health => {
                    let extra = [version.clone()];
                    self.event("health", hello::health(), &extra).await?;
                }
                Announcement::Presence => {
                    let owner = ("recipientProfileId", json!("gateway-owner"));
                    let payload = json!({ "presence": hello::presence() });
                    self.event("presence", payload, &[version.clone(), owner]).await?;
                }
            }
        }
        Continue(())
    }

    async fn refuse(&mut self, id: &str, refusal: &Refusal) -> Flow {
        sleep(refusal.delay).await;
        if let Some(frame) = refusal.frame(id) {
            self.send(Message::text(frame)).await?;
        }
        Break(Some(refusal.ending()))
    }

    async fn call(&mut self, id: &str, method: &str, params: &Value, grant: &Grant) -> Flow {
        let outcome = call::perform(method, params, grant, &mut self.shared.state().devices);
        if matches!(outcome, Outcome::WrongRole) {
            self.role_errors += 1;
            if self.role_errors > ANSWERED_ROLE_ERRORS {
                return Break(Some(closing(1008, "repeated unauthorized calls")));
            }
        }
        self.send(Message::text(outcome.frame(id))).await?;
        if let Outcome::DeviceRemoved(device_id) = outcome {
            self.shared.signal(Signal::DeviceRemoved(device_id));
        }
        Continue(())
    }

    async fn signalled(&mut self, signal: Signal) -> Flow {
        match signal {
            Signal::Restart => {
                let reason = json!({ "reason": "gateway stopping" });
                if self.grant.is_some() {
                    self.event("shutdown", reason, &[]).await?;
                }
                Break(Some(closing(1012, "service restart")))
            }
            Signal::AuthChanged => {
                let grant = self.grant.as_ref();
                if grant.is_some_and(Grant::uses_shared_secret) {
                    return Break(Some(closing(4001, "gateway auth changed")));
                }
                Continue(())
            }
            Signal::DeviceRemoved(id) => {
                let device = self.grant.as_ref().and_then(|grant| grant.device.as_ref());
                if device.is_some_and(|device| device.id == id) {
                    return Break(Some(closing(4001, "device removed")));
                }
                Continue(())
            }
        }
    }

    async fn ping(&mut self) -> Flow {
        if self.unanswered_pings > 1 {
            return Break(None);
        }
        self.unanswered_pings += 1;
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn event(&mut self, name: &str, payload: Value, extra: &[(&str, Value)]) -> Flow {
        self.seq += 1;
        let mut event = json!({ "type": "event", "event": name, "payload": payload });
        event["seq"] = json!(self.seq);
        for (key, value) in extra {
            event[*key] = value.clone();
        }
        self.send(Message::text(event.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Flow {
        if self.ws.send(message).await.is_err() {
            return Break(None);
        }
        self.sent += 1;
        self.planned()
    }

    /// Whether the plan ends the session after the frames sent so far.
    fn planned(&self) -> Flow {
        if let Misbehaviour::End { when: When::Frames(frames), how } = &self.plan
            && self.sent >= *frames
        {
            return Break(Some(how.clone()));
        }
        Continue(())
    }

    fn planned_cut(&self) -> Option<(Instant, Ending)> {
        if let Misbehaviour::End { when: When::Elapsed(age), how } = &self.plan {
            return Some((self.opened + *age, how.clone()));
        }
        None
    }
}

fn closing(code: u16, reason: &str) -> Ending {
    Ending::Close { code, reason: reason.to_owned() }
}

async fn cut_off(plan: Option<(Instant, Ending)>) -> Ending {
    match plan {
        Some((deadline, how)) => {
            sleep_until(deadline).await;
            how
        }
        None => pending().await,
    }
}
