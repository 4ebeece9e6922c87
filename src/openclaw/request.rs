//! Requests as a client sends them.

use serde_json::{Map, Value, json};

/// Who a client says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: &'static str,
    pub mode: &'static str,
    pub min_protocol: u8,
    pub max_protocol: u8,
    pub scopes: &'static [&'static str],
}

impl Client {
    /// As `openclaw gateway status` connects: the gateway keeps no trace of it, takes older and
    /// newer protocols, and gives it no scopes.
    pub const PROBE: Self = Self {
        id: "cli",
        mode: "probe",
        min_protocol: 3,
        max_protocol: 4,
        scopes: &["operator.read"],
    };

    /// As `openclaw gateway call` connects: a local one keeps the scope it asks for.
    pub const CLI: Self = Self { mode: "cli", ..Self::PROBE };

    /// As the Control UI connects. It leaves its `buildId` out, which older gateways do not know.
    pub const CONTROL_UI: Self = Self {
        id: "openclaw-control-ui",
        mode: "webchat",
        min_protocol: 3,
        max_protocol: 4,
        scopes: &["operator.read"],
    };
}

/// The params of `connect`, without a device block. `auth` is left out when it is empty.
pub fn connect_params(client: Client, instance: &str, auth: Map<String, Value>) -> Value {
    let mut who = Map::new();
    who.insert("id".into(), json!(client.id));
    who.insert("version".into(), json!("dev"));
    who.insert("platform".into(), json!("linux"));
    who.insert("deviceFamily".into(), json!("Linux"));
    who.insert("mode".into(), json!(client.mode));
    who.insert("instanceId".into(), json!(instance));
    let mut params = Map::new();
    params.insert("minProtocol".into(), json!(client.min_protocol));
    params.insert("maxProtocol".into(), json!(client.max_protocol));
    params.insert("client".into(), Value::Object(who));
    params.insert("caps".into(), json!([]));
    if !auth.is_empty() {
        params.insert("auth".into(), Value::Object(auth));
    }
    params.insert("role".into(), json!("operator"));
    params.insert("scopes".into(), json!(client.scopes));
    Value::Object(params)
}

/// The text of a request frame.
pub fn request(id: &str, method: &str, params: &Value) -> String {
    json!({ "type": "req", "id": id, "method": method, "params": params }).to_string()
}

/// A version 4 UUID of these random bits (RFC 9562 §5.4).
pub fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_version_4_variant_1() {
        for random in [0, u128::MAX, 0x1234_5678_9abc_def0_1234_5678_9abc_def0] {
            let uuid = uuid(random);
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }

    #[test]
    fn no_secret_means_no_auth() {
        let params = connect_params(Client::CONTROL_UI, "i", Map::new());
        assert_eq!(params.get("auth"), None);
        assert_eq!(params["client"]["mode"], "webchat");
        assert_eq!(connect_params(Client::PROBE, "i", Map::new())["minProtocol"], 3);
    }
}
