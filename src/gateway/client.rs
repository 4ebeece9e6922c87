//! A scripted client of the gateway, for the demo and for tests.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{challenge, ending, head};
use crate::openclaw::{self, DeviceKey};

/// What the client says once it has the challenge.
#[derive(Debug, Clone)]
pub enum Hail {
    /// A connect request with these params; the device block is added when there is a device.
    Connect {
        params: Value,
        device: Option<Device>,
    },
    /// This text, whatever it is, without waiting for the challenge.
    Text(String),
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Device {
    pub key: Arc<DeviceKey>,
    pub proof: Proof,
}

/// How good a device's proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Good,
    /// Signed ten minutes ago.
    Stale,
    /// Signed over another challenge.
    WrongNonce,
    BlankNonce,
}

/// How the client leaves. 1006 is no choice: it never is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// A Close without a code, as the CLI sends.
    EmptyClose,
    /// Close 1000.
    Normal,
    /// Close 1001, as a page that is left.
    GoingAway,
    Fin,
    Reset,
    /// Stays until the other side ends it or patience does.
    Stay,
}

/// One client session, from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Script {
    pub path: String,
    /// Host header; the address dialled if absent.
    pub host: Option<String>,
    /// More request headers, such as Origin.
    pub headers: Vec<(String, String)>,
    pub hail: Hail,
    /// Methods called one after the other once welcomed.
    pub calls: Vec<(String, Value)>,
    /// The client does not leave before it has this many text frames.
    pub await_frames: usize,
    /// How long the client listens before it leaves.
    pub linger: Duration,
    pub farewell: Farewell,
    /// The whole session ends at the latest after this.
    pub patience: Duration,
}

/// What a client saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub status_line: String,
    pub headers: Vec<(String, String)>,
    /// The body of a refusal.
    pub body: String,
    /// Text frames in order.
    pub frames: Vec<String>,
    pub close: Option<SeenClose>,
    pub ended: Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenClose {
    /// Absent when the Close frame carried none.
    pub code: Option<u16>,
    pub reason: String,
}

/// How the connection ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The upgrade was not answered with a 101.
    Refused,
    /// The 101 did not fit the key; the client left.
    BadAccept,
    /// After a Close frame of the other side.
    Closed,
    /// FIN without a Close frame.
    Fin,
    Reset,
    /// The client reset the connection itself.
    Left,
    OutOfPatience,
}

impl Script {
    /// A client that says nothing and stays.
    pub fn new(hail: Hail) -> Self {
        Self {
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            hail,
            calls: Vec::new(),
            await_frames: 0,
            linger: Duration::ZERO,
            farewell: Farewell::Stay,
            patience: Duration::from_secs(10),
        }
    }

    /// The CLI with a token: connect, one call of `health`, an empty Close.
    pub fn cli(token: &str) -> Self {
        let params = json!({
            "minProtocol": 4,
            "maxProtocol": 4,
            "client": {
                "id": "cli",
                "version": super::hello::VERSION,
                "platform": "linux",
                "deviceFamily": "Linux",
                "mode": "cli",
                "instanceId": challenge::uuid(),
            },
            "caps": [],
            "auth": { "token": token },
            "role": "operator",
            "scopes": ["operator.read"],
        });
        Self {
            calls: vec![("health".to_owned(), json!({}))],
            farewell: Farewell::EmptyClose,
            ..Self::new(Hail::Connect { params, device: None })
        }
    }

    /// Plays the script against this address.
    pub async fn run(&self, address: SocketAddr) -> io::Result<Seen> {
        let deadline = Instant::now() + self.patience;
        let mut stream = match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(connected) => connected?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let mut key = [0; 16];
        fastrand::fill(&mut key);
        let key = STANDARD.encode(key);
        stream.write_all(self.request(address, &key).as_bytes()).await?;
        let mut seen = Seen {
            status_line: String::new(),
            headers: Vec::new(),
            body: String::new(),
            frames: Vec::new(),
            close: None,
            ended: Ended::OutOfPatience,
        };
        let answered = timeout_at(deadline, read_answer(&mut stream, &mut seen)).await;
        let early = match answered {
            Ok(Ok(early)) => early,
            Ok(Err(error)) => {
                seen.ended = ended_by(&error);
                return Ok(seen);
            }
            Err(_) => return Ok(seen),
        };
        let Some(early) = early else {
            seen.ended = Ended::Refused;
            return Ok(seen);
        };
        let accept = head::header(&seen.headers, "Sec-WebSocket-Accept");
        if accept != Some(derive_accept_key(key.as_bytes()).as_str()) {
            seen.ended = Ended::BadAccept;
            return Ok(seen);
        }
        let ws = WebSocketStream::from_partially_read(stream, early, Role::Client, None).await;
        let conversation = Conversation { ws, seen, deadline };
        Ok(conversation.play(self).await)
    }

    fn request(&self, address: SocketAddr, key: &str) -> String {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            self.path
        );
        for (name, value) in &self.headers {
            text.push_str(&format_header(name, value));
        }
        let host = self.host.clone().unwrap_or_else(|| address.to_string());
        text.push_str(&format_header("Host", &host));
        text.push_str("\r\n");
        text
    }
}

fn format_header(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n")
}

/// The bytes behind a 101, or `None` after any other answer.
async fn read_answer(stream: &mut TcpStream, seen: &mut Seen) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = Vec::new();
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response
            .parse(&buffer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let httparse::Status::Complete(length) = parsed else {
            continue;
        };
        seen.status_line = format!(
            "HTTP/1.{} {} {}",
            response.version.unwrap_or(1),
            response.code.unwrap_or(0),
            response.reason.unwrap_or_default()
        );
        let switched = response.code == Some(101);
        seen.headers = head::owned(response.headers);
        let mut rest = buffer.split_off(length);
        if switched {
            return Ok(Some(rest));
        }
        let body = head::header(&seen.headers, "Content-Length")
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(usize::MAX);
        while rest.len() < body && stream.read_buf(&mut rest).await? > 0 {}
        seen.body = String::from_utf8_lossy(&rest).into_owned();
        return Ok(None);
    }
}

fn ended_by(error: &io::Error) -> Ended {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ended::Fin } else { Ended::Reset }
}

struct Conversation {
    ws: WebSocketStream<TcpStream>,
    seen: Seen,
    deadline: Instant,
}

impl Conversation {
    async fn play(mut self, script: &Script) -> Seen {
        if let Err(ended) = self.speak(script).await {
            self.seen.ended = ended;
        }
        self.seen
    }

    /// Leaves only by an end; that it is an error is what ends the script early.
    async fn speak(&mut self, script: &Script) -> Result<(), Ended> {
        match &script.hail {
            Hail::Nothing => {}
            Hail::Text(text) => self.send(Message::text(text.clone())).await?,
            Hail::Connect { params, device } => {
                let challenge = self.frame(self.deadline).await?;
                let params = signed(params.clone(), device.as_ref(), &challenge);
                if self.call("connect", &params, 1).await?["ok"] == true {
                    for (at, (method, params)) in script.calls.iter().enumerate() {
                        self.call(method, params, at + 2).await?;
                    }
                }
            }
        }
        while self.seen.frames.len() < script.await_frames {
            self.frame(self.deadline).await?;
        }
        if script.farewell != Farewell::Stay {
            let listen = self.deadline.min(Instant::now() + script.linger);
            match self.listen(listen).await {
                Err(Ended::OutOfPatience) => {}
                other => return other,
            }
        }
        self.leave(script.farewell).await?;
        self.listen(self.deadline).await
    }

    async fn call(&mut self, method: &str, params: &Value, id: usize) -> Result<Value, Ended> {
        let id = id.to_string();
        self.send(Message::text(openclaw::request(&id, method, params))).await?;
        loop {
            let frame = self.frame(self.deadline).await?;
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                return Ok(frame);
            }
        }
    }

    async fn listen(&mut self, until: Instant) -> Result<(), Ended> {
        loop {
            self.frame(until).await?;
        }
    }

    /// The next text frame; every end of the session is an error.
    async fn frame(&mut self, until: Instant) -> Result<Value, Ended> {
        loop {
            let Ok(message) = timeout_at(until, self.ws.next()).await else {
                return Err(Ended::OutOfPatience);
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    self.seen.frames.push(text.to_string());
                    return Ok(serde_json::from_str(&text).unwrap_or_default());
                }
                Some(Ok(Message::Close(frame))) => self.seen.close = Some(seen_close(frame)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.ended(&error)),
                None => return Err(Ended::Closed),
            }
        }
    }

    fn ended(&self, error: &Error) -> Ended {
        if self.seen.close.is_some() {
            return Ended::Closed;
        }
        let torn = ProtocolError::ResetWithoutClosingHandshake;
        if matches!(error, Error::Protocol(fault) if *fault == torn) {
            return Ended::Fin;
        }
        Ended::Reset
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let sent = self.ws.send(message).await;
        sent.map_err(|error| self.ended(&error))
    }

    async fn leave(&mut self, farewell: Farewell) -> Result<(), Ended> {
        let close = |code: u16| Some(CloseFrame { code: code.into(), reason: "".into() });
        match farewell {
            Farewell::Stay => Ok(()),
            Farewell::EmptyClose => self.send(Message::Close(None)).await,
            Farewell::Normal => self.send(Message::Close(close(1000))).await,
            Farewell::GoingAway => self.send(Message::Close(close(1001))).await,
            Farewell::Fin => {
                let shut = self.ws.get_mut().shutdown().await;
                shut.map_err(|error| ended_by(&error))
            }
            Farewell::Reset => match ending::reset(self.ws.get_ref()) {
                Ok(()) => Err(Ended::Left),
                Err(error) => Err(ended_by(&error)),
            },
        }
    }
}

fn seen_close(frame: Option<CloseFrame>) -> SeenClose {
    match frame {
        None => SeenClose { code: None, reason: String::new() },
        Some(frame) => {
            SeenClose { code: Some(frame.code.into()), reason: frame.reason.to_string() }
        }
    }
}

/// The params with a device block that answers this challenge.
fn signed(mut params: Value, device: Option<&Device>, challenge: &Value) -> Value {
    let Some(device) = device else {
        return params;
    };
    let nonce = challenge["payload"]["nonce"].as_str().unwrap_or_default();
    let at = challenge["payload"]["ts"].as_i64().unwrap_or_default();
    let (at, signed_nonce, sent_nonce) = match device.proof {
        Proof::Good => (at, nonce, nonce),
        Proof::Stale => (at - 600_000, nonce, nonce),
        Proof::WrongNonce => (at, "another nonce", nonce),
        Proof::BlankNonce => (at, nonce, " "),
    };
    let proof = openclaw::Proof { signed_at: at, signed_nonce, sent_nonce };
    params["device"] = openclaw::device_block(&device.key, &params, proof);
    params
}
