//! Method calls after hello: who may call what, and what comes back.
use serde_json::{Map, Value, json};

use super::connect::Grant;
use super::devices::{Devices, allows};
use super::{challenge, hello};

/// The methods the stand-in knows and the scope each one needs.
pub(super) const METHODS: &[(&str, Option<&str>)] = &[
    ("health", None),
    ("status", Some("operator.read")),
    ("system-presence", Some("operator.read")),
    ("config.get", Some("operator.read")),
    ("config.set", Some("operator.admin")),
    ("device.pair.list", Some("operator.pairing")),
    ("device.pair.approve", Some("operator.pairing")),
    ("device.pair.remove", Some("operator.pairing")),
];

/// What a call came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Value),
    /// The role may not call operator methods at all; too many of these end the session.
    WrongRole,
    Failed {
        code: &'static str,
        message: String,
        details: Option<Value>,
    },
    DeviceRemoved(String),
}

pub(super) fn perform(
    method: &str,
    params: &Value,
    grant: &Grant,
    devices: &mut Devices,
) -> Outcome {
    if grant.role != "operator" {
        return Outcome::WrongRole;
    }
    let Some((_, scope)) = METHODS.iter().find(|(name, _)| *name == method) else {
        return invalid(format!("unknown method: {method}"));
    };
    if let Some(scope) = scope.filter(|scope| !allows(&grant.scopes, scope)) {
        return Outcome::Failed {
            code: "FORBIDDEN",
            message: format!("missing scope: {scope}"),
            details: Some(json!({
                "code": "MISSING_SCOPE",
                "missingScope": scope,
                "requiredScopes": [scope],
            })),
        };
    }
    match method {
        "health" => Outcome::Done(hello::health_answer()),
        "status" => Outcome::Done(hello::status()),
        "system-presence" => Outcome::Done(hello::presence()),
        "config.get" => Outcome::Done(config()),
        "device.pair.list" => Outcome::Done(devices.list()),
        "device.pair.approve" => approve(params, devices),
        "device.pair.remove" => remove(params, devices),
        _ => invalid(format!("the stand-in does not perform {method}")),
    }
}

fn config() -> Value {
    json!({
        "path": "/stand-in/openclaw.json",
        "exists": true,
        "raw": "{}",
        "parsed": {},
        "valid": true,
        "config": {},
        "issues": [],
    })
}

fn approve(params: &Value, devices: &mut Devices) -> Outcome {
    let request_id = params["requestId"].as_str().unwrap_or_default();
    match devices.approve(request_id, challenge::now_ms()) {
        Some(pending) => Outcome::Done(json!({
            "requestId": pending.request_id,
            "device": {
                "deviceId": pending.device_id,
                "role": pending.role,
                "roles": [pending.role],
                "scopes": pending.scopes,
            },
        })),
        None => invalid("unknown requestId".to_owned()),
    }
}

fn remove(params: &Value, devices: &mut Devices) -> Outcome {
    let device_id = params["deviceId"].as_str().unwrap_or_default();
    if devices.remove(device_id) {
        Outcome::DeviceRemoved(device_id.to_owned())
    } else {
        invalid("unknown deviceId".to_owned())
    }
}

fn invalid(message: String) -> Outcome {
    Outcome::Failed { code: "INVALID_REQUEST", message, details: None }
}

impl Outcome {
    /// The response frame of the call with this id.
    pub(super) fn frame(&self, id: &str) -> String {
        match self {
            Self::Done(payload) => {
                json!({ "type": "res", "id": id, "ok": true, "payload": payload })
            }
            Self::DeviceRemoved(device_id) => {
                json!({ "type": "res", "id": id, "ok": true, "payload": { "deviceId": device_id } })
            }
            Self::WrongRole => failure(id, "INVALID_REQUEST", "unauthorized role: node", None),
            Self::Failed { code, message, details } => failure(id, code, message, details.as_ref()),
        }
        .to_string()
    }
}

fn failure(id: &str, code: &str, message: &str, details: Option<&Value>) -> Value {
    let mut error = Map::new();
    error.insert("code".into(), json!(code));
    error.insert("message".into(), json!(message));
    if let Some(details) = details {
        error.insert("details".into(), details.clone());
    }
    json!({ "type": "res", "id": id, "ok": false, "error": error })
}
