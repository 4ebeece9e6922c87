//! What the frames of the opening exchange say, as facts. Values that are secrets become
//! fingerprints; texts are capped.

use serde_json::{Map, Value};

use crate::session::{ConnectFacts, Credential, HelloFacts, RefusalFacts};

const MAX_TEXT: usize = 256;
const MAX_ITEMS: usize = 64;

/// Facts of a `connect` request.
pub(super) fn connect(frame: &Value, fingerprint: impl Fn(&str) -> String) -> ConnectFacts {
    let params = &frame["params"];
    let client = &params["client"];
    let credentials = params["auth"].as_object().map(|auth| {
        auth.iter()
            .take(MAX_ITEMS)
            .map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Credential {
                    name: capped(name),
                    len: value.len(),
                    fingerprint: fingerprint(&value),
                }
            })
            .collect()
    });
    ConnectFacts {
        min_protocol: params["minProtocol"].as_u64(),
        max_protocol: params["maxProtocol"].as_u64(),
        client_id: text(&client["id"]),
        client_mode: text(&client["mode"]),
        client_version: text(&client["version"]),
        platform: text(&client["platform"]),
        role: text(&params["role"]),
        scopes: texts(&params["scopes"]).unwrap_or_default(),
        credentials: credentials.unwrap_or_default(),
        device_id: text(&params["device"]["id"]),
    }
}

/// Facts of a `hello-ok`.
pub(super) fn hello(frame: &Value) -> HelloFacts {
    let payload = &frame["payload"];
    HelloFacts {
        protocol: payload["protocol"].as_u64(),
        server_version: text(&payload["server"]["version"]),
        conn_id: text(&payload["server"]["connId"]),
        auth_method: text(&payload["auth"]["method"]),
        role: text(&payload["auth"]["role"]),
        scopes: texts(&payload["auth"]["scopes"]),
        max_payload: payload["policy"]["maxPayload"].as_u64(),
        tick_interval_ms: payload["policy"]["tickIntervalMs"].as_u64(),
    }
}

/// Facts of an answer that is an error.
pub(super) fn refusal(frame: &Value) -> RefusalFacts {
    let error = &frame["error"];
    RefusalFacts {
        code: text(&error["code"]),
        message: text(&error["message"]),
        detail_code: text(&error["details"]["code"]),
        details: error.get("details").map(without_secrets),
        retryable: error["retryable"].as_bool(),
        retry_after_ms: error["retryAfterMs"].as_u64(),
    }
}

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(key, value)| !is_secret(key, value))
                .take(MAX_ITEMS)
                .map(|(key, value)| (capped(key), without_secrets(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().take(MAX_ITEMS).map(without_secrets).collect(),
        Value::String(text) => Value::String(capped(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A key that names a secret. A flag is none, whatever its name: `canRetryWithDeviceToken`.
fn is_secret(key: &str, value: &Value) -> bool {
    const WORDS: [&str; 8] = [
        "token",
        "passw",
        "secret",
        "apikey",
        "signature",
        "credential",
        "cookie",
        "authorization",
    ];
    let key = key.to_ascii_lowercase();
    !value.is_boolean() && WORDS.iter().any(|word| key.contains(word))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(capped)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().take(MAX_ITEMS).filter_map(text).collect())
}

fn capped(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
