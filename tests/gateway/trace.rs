//! A recorded trace as a policy and a script, and what the recorded gateway answered.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wstap::gateway::client::{Device, Farewell, Hail, Proof, Script, SeenClose};
use wstap::gateway::{Announcement, Auth, DeviceKey, Policy};

/// One session of a recorded trace.
pub(crate) struct Trace {
    config: Value,
    session: Value,
}

impl Trace {
    pub(crate) fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/corpus/traces")
            .join(name)
            .with_extension("json");
        let text = std::fs::read_to_string(&path).expect("the trace is in the corpus");
        let trace: Value = serde_json::from_str(&text).expect("the trace is JSON");
        let sessions = trace["sessions"].as_array().expect("sessions");
        Self {
            config: trace["gatewayConfig"].clone(),
            session: sessions.last().expect("a session").clone(),
        }
    }

    /// The settings the recorded gateway ran with.
    pub(crate) fn policy(&self) -> Policy {
        let auth = &self.config["auth"];
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut policy = Policy::new(match auth["mode"].as_str() {
            Some("password") => Auth::Password(text(&auth["password"])),
            Some("none") => Auth::None,
            _ => Auth::Token(text(&auth["token"])),
        });
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        policy.allowed_origins =
            list(&self.config["controlUi"]["allowedOrigins"]).iter().map(text).collect();
        policy.trusted_proxies = list(&self.config["trustedProxies"])
            .iter()
            .map(|ip| text(ip).parse().expect("an address"))
            .collect();
        policy.mismatch_delay = Duration::ZERO;
        policy.announcements = self
            .answers()
            .iter()
            .filter_map(|frame| match frame["event"].as_str() {
                Some("health") => Some(Announcement::Health),
                Some("presence") => Some(Announcement::Presence),
                _ => None,
            })
            .collect();
        policy
    }

    /// The client of the trace, as what reached the gateway.
    pub(crate) fn script(&self, key: &Arc<DeviceKey>, proof: Proof) -> Script {
        let mut requests = self.said();
        let hail = match requests.first().cloned() {
            None => Hail::Nothing,
            Some(Value::String(text)) => Hail::Text(text),
            Some(mut connect) => {
                let mut params = connect["params"].take();
                let device = params
                    .as_object_mut()
                    .and_then(|params| params.remove("device"))
                    .map(|_| Device { key: Arc::clone(key), proof });
                Hail::Connect { params, device }
            }
        };
        let mut script = Script::new(hail);
        script.calls = requests
            .drain(..)
            .skip(1)
            .map(|call| {
                let method = call["method"].as_str().expect("a method").to_owned();
                (method, call["params"].clone())
            })
            .collect();
        let (line, headers) = self.request();
        let target = line.split(' ').nth(1).expect("a target");
        target.clone_into(&mut script.path);
        for (name, value) in headers {
            let lower = name.to_ascii_lowercase();
            if lower == "host" {
                script.host = Some(value);
            } else if lower == "sec-websocket-protocol" || !is_handshake(&lower) {
                script.headers.push((name, value));
            }
        }
        script.farewell = self.farewell();
        script.await_frames = self.answers().len();
        script.linger = Duration::from_millis(20);
        script.patience = Duration::from_secs(30);
        script
    }

    /// Start line and headers as they reached the gateway.
    pub(crate) fn request(&self) -> (String, Vec<(String, String)>) {
        let forwarded = &self.session["requestForwardedToGateway"];
        let request = &self.session["request"];
        let seen = if forwarded.is_object() { forwarded } else { request };
        let line = [seen, request]
            .iter()
            .find_map(|request| request["startLine"].as_str())
            .expect("a start line");
        (line.to_owned(), pairs(&seen["headers"]))
    }

    pub(crate) fn response(&self) -> (String, Vec<(String, String)>, String) {
        let response = &self.session["response"];
        (
            response["startLine"].as_str().expect("a start line").to_owned(),
            pairs(&response["headers"]),
            response["body"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// JSON frames of the gateway. Voice events belong to a plugin the stand-in has not.
    pub(crate) fn answers(&self) -> Vec<Value> {
        self.frames("s2c")
            .filter_map(|frame| frame["text"].as_str())
            .map(|text| serde_json::from_str(text).expect("the gateway sends JSON"))
            .filter(|frame: &Value| {
                !frame["event"].as_str().is_some_and(|event| event.starts_with("voicewake."))
            })
            .collect()
    }

    pub(crate) fn close(&self) -> Option<SeenClose> {
        let close = self.frames("s2c").find_map(|frame| frame.get("close"))?;
        Some(SeenClose {
            code: close["code"].as_u64().map(|code| u16::try_from(code).expect("a code")),
            reason: close["reason"].as_str().expect("a reason").to_owned(),
        })
    }

    fn said(&self) -> Vec<Value> {
        self.frames("c2s")
            .filter_map(|frame| frame["text"].as_str())
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))
            .collect()
    }

    /// Who closed first decides whether the script leaves or stays.
    fn farewell(&self) -> Farewell {
        let frames = self.session["frames"].as_array().expect("frames");
        match frames.iter().find(|frame| frame["type"] == "close") {
            None => Farewell::Fin,
            Some(close) if close["dir"] == "s2c" => Farewell::Stay,
            Some(close) if close["close"]["code"] == 1000 => Farewell::Normal,
            Some(_) => Farewell::EmptyClose,
        }
    }

    fn frames(&self, direction: &'static str) -> impl Iterator<Item = &Value> {
        self.session["frames"]
            .as_array()
            .expect("frames")
            .iter()
            .filter(move |frame| frame["dir"] == direction)
    }
}

fn is_handshake(lower: &str) -> bool {
    lower.starts_with("sec-websocket-") || matches!(lower, "connection" | "upgrade" | "host")
}

fn pairs(headers: &Value) -> Vec<(String, String)> {
    headers
        .as_array()
        .map(|headers| {
            headers
                .iter()
                .map(|pair| {
                    let text = |at: usize| pair[at].as_str().expect("a text").to_owned();
                    (text(0), text(1))
                })
                .collect()
        })
        .unwrap_or_default()
}
