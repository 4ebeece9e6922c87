//! An upgraded session: the opening exchange and what follows it.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::credentials::Credentials;
use super::eye::{Eye, How, since, wall_now};
use super::watched::Watched;
use crate::openclaw::{self, Client, DeviceKey, Proof};
use crate::session::{Leg, Offset, Record, Wall};

/// Above any `policy.maxPayload` seen.
const LARGEST_MESSAGE: usize = 64 << 20;

/// How long our Close waits for the other side's end.
const FAREWELL: Duration = Duration::from_millis(500);

/// A session past its 101.
#[derive(Debug)]
pub(super) struct Line {
    ws: WebSocketStream<Watched>,
    eye: Eye,
    patience: Duration,
    calls: u32,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The session is over.
    Over,
    TimedOut,
}

/// `connect.challenge`.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    nonce: String,
    /// The gateway's clock.
    pub(super) ts: Option<i64>,
    /// Ours when it came.
    pub(super) received: Wall,
}

/// Who connects, with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) client: Client,
    pub(super) credentials: &'a Credentials,
    pub(super) device: Option<&'a DeviceKey>,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) ok: bool,
    pub(super) payload: Value,
    pub(super) error: Value,
}

impl Answer {
    /// `details.code`, else `code`.
    pub(super) fn code(&self) -> Option<&str> {
        let detail = self.error["details"]["code"].as_str();
        detail.or_else(|| self.error["code"].as_str())
    }

    pub(super) fn message(&self) -> &str {
        self.error["message"].as_str().unwrap_or_default()
    }
}

impl Line {
    /// `early` came behind the 101.
    pub(super) async fn new(
        watched: Watched,
        early: Vec<u8>,
        eye: Eye,
        patience: Duration,
    ) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let ws = WebSocketStream::from_partially_read(watched, early, Role::Client, Some(config));
        Self { ws: ws.await, eye, patience, calls: 0 }
    }

    pub(super) const fn eye(&self) -> &Eye {
        &self.eye
    }

    /// Waits for the challenge.
    pub(super) async fn challenge(&mut self) -> Result<Challenge, Stop> {
        let until = self.patience();
        loop {
            let frame = self.frame(until).await?;
            if frame["event"] == "connect.challenge" {
                let payload = &frame["payload"];
                return Ok(Challenge {
                    nonce: payload["nonce"].as_str().unwrap_or_default().to_owned(),
                    ts: payload["ts"].as_i64(),
                    received: wall_now(),
                });
            }
        }
    }

    pub(super) async fn connect(
        &mut self,
        caller: Caller<'_>,
        challenge: &Challenge,
    ) -> Result<Answer, Stop> {
        let instance = openclaw::uuid(fastrand::u128(..));
        let auth = caller.credentials.members();
        let mut params = openclaw::connect_params(caller.client, &instance, auth);
        if let Some(key) = caller.device {
            let proof = Proof {
                signed_at: challenge.ts.unwrap_or_else(|| challenge.received.micros() / 1000),
                signed_nonce: &challenge.nonce,
                sent_nonce: &challenge.nonce,
            };
            params["device"] = openclaw::device_block(key, &params, proof);
        }
        self.eye.learn(&params);
        let answer = self.call("connect", &params).await?;
        self.eye.learn(&answer.payload);
        Ok(answer)
    }

    /// Sends a request and waits for its answer; events in between are let pass.
    pub(super) async fn call(&mut self, method: &str, params: &Value) -> Result<Answer, Stop> {
        self.calls += 1;
        let id = format!("{}:{}", self.calls, openclaw::uuid(fastrand::u128(..)));
        let until = self.patience();
        let text = openclaw::request(&id, method, params);
        self.send(Message::text(text), until).await?;
        loop {
            let mut frame = self.frame(until).await?;
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                return Ok(Answer {
                    ok: frame["ok"] == true,
                    payload: frame["payload"].take(),
                    error: frame["error"].take(),
                });
            }
        }
    }

    /// Pings and waits for the pong.
    pub(super) async fn ping(&mut self) -> Result<Offset, Stop> {
        let began = Instant::now();
        let until = self.patience();
        let payload = fastrand::u64(..).to_be_bytes().to_vec();
        self.send(Message::Ping(payload.clone().into()), until).await?;
        loop {
            if let Message::Pong(answer) = self.message(until).await?
                && *answer == *payload
            {
                return Ok(since(began));
            }
        }
    }

    /// Listens, answering pings, until the session is over or the time is.
    pub(super) async fn listen(&mut self, until: Deadline) -> Stop {
        loop {
            if let Err(stop) = self.message(until).await {
                return stop;
            }
        }
    }

    /// Leaves as the CLI does, by an empty Close.
    pub(super) async fn leave(mut self) -> Record {
        self.say_close(None).await;
        self.eye.record()
    }

    /// Leaves with this code, and gives the record by the eye.
    pub(super) async fn close(&mut self, code: u16, reason: &'static str) {
        self.say_close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await;
    }

    async fn say_close(&mut self, frame: Option<CloseFrame>) {
        let until = Deadline::now() + FAREWELL;
        if !self.eye.is_over() && self.send(Message::Close(frame), until).await.is_ok() {
            self.listen(until).await;
        }
        self.eye.ended(Leg::Downstream, &How::Fin);
    }

    fn patience(&self) -> Deadline {
        Deadline::now() + self.patience
    }

    /// The next text frame as JSON; null when it is none.
    async fn frame(&mut self, until: Deadline) -> Result<Value, Stop> {
        loop {
            match self.message(until).await? {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap_or_default()),
                Message::Binary(bytes) => {
                    return Ok(serde_json::from_slice(&bytes).unwrap_or_default());
                }
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
    }

    async fn message(&mut self, until: Deadline) -> Result<Message, Stop> {
        // A flood always has a message ready, and the timer is asked only when none is.
        if Deadline::now() >= until {
            return Err(Stop::TimedOut);
        }
        match timeout_at(until, self.ws.next()).await {
            Ok(Some(Ok(message))) => Ok(message),
            Ok(Some(Err(_)) | None) => Err(Stop::Over),
            Err(_) => Err(Stop::TimedOut),
        }
    }

    async fn send(&mut self, message: Message, until: Deadline) -> Result<(), Stop> {
        match timeout_at(until, self.ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            // What the other side said before it went is still to be read.
            Ok(Err(_)) => Err(self.listen(Deadline::now() + FAREWELL).await),
            Err(_) => Err(Stop::TimedOut),
        }
    }
}
