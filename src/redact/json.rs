//! JSON by its keys: what is below a key that names a secret is taken out.

use serde_json::{Map, Value};

use super::found::Found;
use super::{names, scrub};

const MAX_PATH: usize = 96;
const MAX_KEY: usize = 64;

/// What of `auth` is no secret in the gateway's answers: `hello-ok` says by them what it granted.
const AUTH_FACTS: [&str; 4] = ["method", "role", "scopes", "mode"];

/// Takes secrets out of a value.
pub(super) fn redact(value: &mut Value, found: &mut Found<'_>) {
    below(value, "", false, found);
}

/// Replaces secrets known by now in every text of a value, keys included.
pub(super) fn replace_known(value: &mut Value, found: &mut Found<'_>) {
    match value {
        Value::String(text) => *text = found.known(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_known(item, found)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(key, mut value)| {
                    replace_known(&mut value, found);
                    (found.known(&key), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn below(value: &mut Value, path: &str, secret: bool, found: &mut Found<'_>) {
    match value {
        Value::String(text) if secret => *text = found.take(path, text),
        Value::String(text) => *text = scrub::scrubbed(text, found),
        Value::Number(number) if secret => {
            let taken = found.take(path, &number.to_string());
            *value = Value::String(taken);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::Array(items) => {
            let is_pair = items.len() == 2 && items[0].as_str().is_some_and(names::json_key);
            for (at, item) in items.iter_mut().enumerate() {
                below(item, path, secret || is_pair && at == 1, found);
            }
        }
        Value::Object(fields) => {
            let is_pair = names_a_secret(fields);
            for (key, item) in fields.iter_mut() {
                let secret = secret_below(path, secret, key, item) || is_pair && key == "value";
                below(item, &joined(path, key), secret, found);
            }
            if secret && fields.keys().any(|key| scrub::looks_random(key)) {
                take_keys(fields, path, found);
            }
        }
    }
}

/// `{"name":"API_KEY","value":…}`, `{"path":["auth","token"],"value":…}`.
fn names_a_secret(fields: &Map<String, Value>) -> bool {
    const NAMES: [&str; 4] = ["name", "key", "path", "header"];
    fields.contains_key("value")
        && NAMES.iter().filter_map(|name| fields.get(*name)).any(|name| {
            let name = name.as_array().map_or(Some(name), |words| words.last());
            name.and_then(Value::as_str).is_some_and(names::json_key)
        })
}

/// Secrets that are keys themselves, as of a map by token.
fn take_keys(fields: &mut Map<String, Value>, path: &str, found: &mut Found<'_>) {
    *fields = std::mem::take(fields)
        .into_iter()
        .map(|(key, value)| {
            let taken = scrub::looks_random(&key) && !names::json_key(&key);
            (if taken { found.take(path, &key) } else { key }, value)
        })
        .collect();
}

fn secret_below(path: &str, secret: bool, key: &str, item: &Value) -> bool {
    let in_auth = path.rsplit('.').next() == Some("auth");
    let is_fact = AUTH_FACTS.contains(&key);
    if in_auth && path != "params.auth" && is_fact {
        return false;
    }
    if item.is_number() && !secret && names::counts_tokens(key) {
        return false;
    }
    // Whether a number below `auth` is a time or a pin cannot be told; times are named so.
    if in_auth && item.is_number() && key.ends_with("AtMs") {
        return false;
    }
    secret || names::json_key(key) || key.eq_ignore_ascii_case("auth")
}

fn joined(path: &str, key: &str) -> String {
    let key: String = key.chars().take(MAX_KEY).collect();
    match path {
        "" => key,
        path if path.len() < MAX_PATH => format!("{path}.{key}"),
        path => path.to_owned(),
    }
}
