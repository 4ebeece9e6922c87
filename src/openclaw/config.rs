//! What `openclaw.json` says of the gateway's door: port, secret, origins.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use super::OriginPolicy;

/// The parser recurses: deeper text would overflow the stack.
const DEPTH: usize = 128;

/// The part of the configuration that a client meets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GatewayConfig {
    pub port: Option<u16>,
    /// `token`, `password`, `trusted-proxy`, `none`.
    pub auth_mode: Option<String>,
    pub tls: bool,
    pub allowed_origins: Vec<String>,
    pub host_fallback: bool,
    pub trusted_proxies: Vec<String>,
    token: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why it cannot be read. Never repeats the text, which holds secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error("it is not JSON5 at line {line}, column {column}")]
    NotJson5 { line: usize, column: usize },
    #[error("it is not JSON5")]
    Broken,
    #[error("it is nested deeper than {DEPTH} levels")]
    TooDeep,
    #[error("it is not an object")]
    NotAnObject,
    #[error("{0} is not a text: a secret that is kept elsewhere cannot be read from here")]
    Elsewhere(&'static str),
    #[error("{key} refers to the environment variable {name}, which is not set")]
    Unset { key: &'static str, name: String },
}

impl GatewayConfig {
    /// Reads JSON5. `env` answers `${NAME}` in the secrets.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if nesting(text) > DEPTH {
            return Err(ConfigError::TooDeep);
        }
        let root: Value = json5::from_str(text).map_err(|error| place(&error))?;
        if !root.is_object() {
            return Err(ConfigError::NotAnObject);
        }
        let gateway = &root["gateway"];
        let (auth, ui) = (&gateway["auth"], &gateway["controlUi"]);
        let mode = auth["mode"].as_str().map(str::to_owned);
        let wanted = |name| mode.as_deref().is_none_or(|mode| mode == name);
        let secret = |key: &'static str, value: &Value, wanted: bool| {
            if wanted { resolved(key, value, &env) } else { Ok(None) }
        };
        Ok(Self {
            port: gateway["port"].as_u64().and_then(|port| u16::try_from(port).ok()),
            token: secret("gateway.auth.token", &auth["token"], wanted("token"))?,
            password: secret("gateway.auth.password", &auth["password"], wanted("password"))?,
            auth_mode: mode,
            tls: gateway["tls"]["enabled"] == true,
            allowed_origins: texts(&ui["allowedOrigins"]),
            host_fallback: ui["dangerouslyAllowHostHeaderOriginFallback"] == true,
            trusted_proxies: texts(&gateway["trustedProxies"]),
        })
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub fn origins(&self) -> OriginPolicy<'_> {
        OriginPolicy { allowed: &self.allowed_origins, host_fallback: self.host_fallback }
    }
}

/// How deep brackets nest, those in texts and comments among them.
fn nesting(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn place(error: &json5::Error) -> ConfigError {
    let position = error.position();
    position.map_or(ConfigError::Broken, |at| ConfigError::NotJson5 {
        line: at.line + 1,
        column: at.column + 1,
    })
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A secret as it stands, or from the environment when it is written as `${NAME}`.
fn resolved(
    key: &'static str,
    value: &Value,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, ConfigError> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(ConfigError::Elsewhere(key));
        }
    };
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match name {
        None => Ok(Some(text.clone())),
        Some(name) => {
            let unset = || ConfigError::Unset { key, name: name.to_owned() };
            env(name).map(Some).ok_or_else(unset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json5_is_read_and_secrets_stay_inside() {
        let text = "{ // the door\n gateway: { port: 0x4965, auth: { mode: 'token', token: '${T}', \
                    password: {source: 'exec'} }, controlUi: { allowedOrigins: ['https://a',], }, },}";
        let config = GatewayConfig::parse(text, |name| Some(format!("of {name}"))).unwrap();
        assert_eq!((config.port, config.token()), (Some(18789), Some("of T")));
        assert_eq!(
            (config.password(), &*config.allowed_origins),
            (None, &["https://a".to_owned()][..])
        );
        assert!(!format!("{config:?}").contains("of T"));
        let unset = GatewayConfig::parse(text, |_| None).unwrap_err();
        assert!(unset.to_string().contains("variable T"));
    }

    #[test]
    fn broken_text_is_placed_and_not_repeated() {
        let error = GatewayConfig::parse("{\n  token: secret!\n}", |_| None).unwrap_err();
        assert!(matches!(error, ConfigError::NotJson5 { line: 2, .. }), "{error}");
        assert!(!error.to_string().contains("secret"));
        for open in ["[", "{a:"] {
            let error = GatewayConfig::parse(&open.repeat(200_000), |_| None).unwrap_err();
            assert_eq!(error, ConfigError::TooDeep);
        }
        let deep = format!("{{a: {}{}}}", "[".repeat(DEPTH - 1), "]".repeat(DEPTH - 1));
        assert!(GatewayConfig::parse(&deep, |_| None).is_ok());
        let error = GatewayConfig::parse("[]", |_| None).unwrap_err();
        assert_eq!(error, ConfigError::NotAnObject);
    }
}
