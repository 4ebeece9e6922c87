//! The connect request as the gateway's closed schema reads it.
use serde::Deserialize;
use serde_json::{Map, Value};

const ROOT_KEYS: &[&str] = &[
    "minProtocol",
    "maxProtocol",
    "client",
    "caps",
    "commands",
    "computerUse",
    "workerRuns",
    "permissions",
    "pathEnv",
    "role",
    "scopes",
    "modelCatalog",
    "device",
    "auth",
    "locale",
    "userAgent",
];
const CLIENT_KEYS: &[&str] = &[
    "id",
    "displayName",
    "version",
    "buildId",
    "platform",
    "deviceFamily",
    "modelIdentifier",
    "timeZone",
    "mode",
    "instanceId",
];
const DEVICE_KEYS: &[&str] = &["id", "publicKey", "signature", "signedAt", "nonce"];
const AUTH_KEYS: &[&str] = &[
    "token",
    "bootstrapToken",
    "deviceToken",
    "password",
    "approvalRuntimeToken",
    "agentRuntimeIdentityToken",
];
const CLIENT_IDS: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];
const CLIENT_MODES: &[&str] =
    &["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"];

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connect {
    pub(super) min_protocol: i64,
    pub(super) max_protocol: i64,
    pub(super) client: Client,
    #[serde(default = "operator")]
    pub(super) role: String,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    pub(super) device: Option<Device>,
    #[serde(default)]
    pub(super) auth: Offered,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) platform: String,
    pub(super) mode: String,
    pub(super) build_id: Option<String>,
    #[serde(default)]
    pub(super) device_family: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) public_key: String,
    pub(super) signature: String,
    pub(super) signed_at: i64,
    pub(super) nonce: String,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The credentials a client offers; no `Debug` output may show them.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Offered {
    pub(super) token: Option<String>,
    pub(super) password: Option<String>,
    pub(super) device_token: Option<String>,
    pub(super) bootstrap_token: Option<String>,
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered").finish_non_exhaustive()
    }
}

impl Connect {
    pub(super) fn is_browser(&self) -> bool {
        matches!(self.client.id.as_str(), "openclaw-control-ui" | "webchat-ui" | "webchat")
    }

    pub(super) fn is_control_ui(&self) -> bool {
        self.client.id == "openclaw-control-ui"
    }
}

fn operator() -> String {
    "operator".to_owned()
}

/// Reads the params, or says what is wrong with them in the gateway's words.
pub(super) fn read(params: &Value) -> Result<Connect, String> {
    let root = params.as_object().ok_or("at root: must be object")?;
    known(root, ROOT_KEYS, "root")?;
    for key in ["minProtocol", "maxProtocol", "client"] {
        required(root, key, "root")?;
    }
    let client = section(root, "client", CLIENT_KEYS)?;
    if let Some(client) = client {
        for key in ["id", "version", "platform", "mode"] {
            required(client, key, "/client")?;
        }
        one_of(client, "id", CLIENT_IDS)?;
        one_of(client, "mode", CLIENT_MODES)?;
    }
    if let Some(device) = section(root, "device", DEVICE_KEYS)? {
        for key in DEVICE_KEYS {
            required(device, key, "/device")?;
        }
    }
    section(root, "auth", AUTH_KEYS)?;
    Connect::deserialize(params).map_err(|error| format!("at root: {error}"))
}

fn section<'a>(
    root: &'a Map<String, Value>,
    key: &str,
    keys: &[&str],
) -> Result<Option<&'a Map<String, Value>>, String> {
    let Some(value) = root.get(key) else {
        return Ok(None);
    };
    let section = value.as_object().ok_or_else(|| format!("at /{key}: must be object"))?;
    known(section, keys, &format!("/{key}"))?;
    Ok(Some(section))
}

fn known(section: &Map<String, Value>, keys: &[&str], place: &str) -> Result<(), String> {
    match section.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("at {place}: unexpected property '{key}'")),
        None => Ok(()),
    }
}

fn required(section: &Map<String, Value>, key: &str, place: &str) -> Result<(), String> {
    if section.contains_key(key) {
        return Ok(());
    }
    Err(format!("at {place}: must have required property '{key}'"))
}

fn one_of(client: &Map<String, Value>, key: &str, values: &[&str]) -> Result<(), String> {
    let given = client.get(key).and_then(Value::as_str).unwrap_or_default();
    if values.contains(&given) {
        return Ok(());
    }
    Err(format!("at /client/{key}: must be equal to one of the allowed values"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_is_closed() {
        let client = json!({ "id": "cli", "version": "1", "platform": "linux", "mode": "cli" });
        let good = json!({ "minProtocol": 4, "maxProtocol": 4, "client": client });
        assert_eq!(read(&good).unwrap().role, "operator");
        let rows = [
            (
                json!({ "minProtocol": 4, "maxProtocol": 4, "client": client, "x": 1 }),
                "at root: unexpected property 'x'",
            ),
            (
                json!({ "minProtocol": 4, "client": client }),
                "at root: must have required property 'maxProtocol'",
            ),
            (
                json!({ "minProtocol": 4, "maxProtocol": 4, "client": client, "device": {"id": "a"} }),
                "at /device: must have required property 'publicKey'",
            ),
        ];
        for (params, message) in rows {
            assert_eq!(read(&params).unwrap_err(), message);
        }
    }
}
