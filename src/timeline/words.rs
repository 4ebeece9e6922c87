//! What the gateway's log says of a session, next to what the wire says.

use serde::Serialize;

use super::gateway_log::{LogLine, Refused, What};
use super::join::By;

/// The lines of one session, and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GatewayWords {
    /// In the order of the log.
    pub lines: Vec<JoinedLine>,
    /// The line that says most about the end, or about the beginning when that went well.
    pub said: Option<Said>,
}

/// A line, and by what it was joined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JoinedLine {
    pub by: By,
    #[serde(flatten)]
    pub line: LogLine,
}

/// The cause that the gateway gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The line of `lines` it stands in.
    pub line: usize,
    /// In the gateway's own terms, as `unauthorized (token_mismatch)`.
    pub words: String,
    /// The causes of the wire that these words go with; empty when they go with none that is
    /// known.
    pub causes: Vec<&'static str>,
    pub agreement: Agreement,
}

/// Whether the wire's cause is among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    Agree,
    Disagree,
    /// The gateway's words name no cause of the wire.
    NotComparable,
}

/// Compares the lines of a session with the cause that the wire shows.
pub fn words(lines: Vec<(By, LogLine)>, wire_cause: &str) -> GatewayWords {
    let lines: Vec<JoinedLine> =
        lines.into_iter().map(|(by, line)| JoinedLine { by, line }).collect();
    let told = lines
        .iter()
        .enumerate()
        .filter_map(|(at, joined)| cause(&joined.line.what).map(|cause| (at, cause)));
    // The last of equals: a connection ends once, and speaks of its end last.
    let best = told.max_by_key(|(at, cause)| (!cause.causes.is_empty(), cause.weight, *at));
    let said = best.map(|(line, Cause { weight, words, causes })| {
        // A session that is open, or whose end was not seen, has no cause to compare.
        let no_cause = matches!(wire_cause, "" | "still_open" | "end_not_seen");
        let agreement = if causes.is_empty() || no_cause {
            Agreement::NotComparable
        } else if causes.contains(&wire_cause) {
            Agreement::Agree
        } else if weight == CONNECTED {
            // How it went on from there the line does not say.
            Agreement::NotComparable
        } else {
            Agreement::Disagree
        };
        Said { line, words, causes, agreement }
    });
    GatewayWords { lines, said }
}

/// The weight of a line that only says that the gateway took the client.
const CONNECTED: u8 = 0;

/// What a line says of why.
struct Cause {
    /// How much it says, against other lines of the same session.
    weight: u8,
    words: String,
    causes: Vec<&'static str>,
}

fn cause(what: &What) -> Option<Cause> {
    let of = |weight, words: &str, causes: &[&'static str]| {
        Some(Cause { weight, words: words.to_owned(), causes: causes.to_vec() })
    };
    match what {
        What::ClosedBeforeConnect(refused) | What::Close(refused) => of_refused(refused),
        What::Unauthorized { reason } => {
            let reason = reason.as_deref().unwrap_or_default();
            of(3, &format!("unauthorized ({reason})"), of_auth_reason(reason))
        }
        What::ProtocolMismatch => of(3, "protocol mismatch", &["protocol_mismatch"]),
        What::BuildRejected => of(3, "control ui build rejected", &["control_ui_build_mismatch"]),
        What::HandshakeTimeout { .. } => of(3, "handshake timeout", HANDSHAKE_TIMEOUT),
        What::InvalidHandshake => of(2, "invalid handshake", INVALID_HANDSHAKE),
        // The connection is closed for it without any other word.
        What::SocketError { error } => {
            let error = error.as_deref().unwrap_or_default();
            of(3, error, of_socket_error(error))
        }
        What::ParseError => of(1, "parse error", &["non_json_first_frame"]),
        What::Hello | What::Connect | What::WebchatConnected => of(
            CONNECTED,
            "connected",
            &["connected", "connected_scopes_cleared", "client_going_away"],
        ),
        What::PairingAutoApproved { .. }
        | What::UpgradeRequested
        | What::WebchatDisconnected { .. }
        | What::UnattributableProxy
        | What::NonLocalHost
        | What::Answer { .. }
        | What::Open
        | What::Unknown => None,
    }
}

fn of_refused(refused: &Refused) -> Option<Cause> {
    let name = refused.cause.as_deref()?;
    let detail = refused.auth_reason.as_deref().or(refused.detail.as_deref());
    let words = match detail {
        Some(detail) => format!("{name} ({detail})"),
        None => name.to_owned(),
    };
    Some(Cause { weight: 4, words, causes: of_cause(name, refused).to_vec() })
}

const HANDSHAKE_TIMEOUT: &[&str] =
    &["handshake_timeout", "challenge_lost", "challenge_without_nonce"];
const INVALID_HANDSHAKE: &[&str] = &[
    "invalid_connect_params",
    "first_request_not_connect",
    "invalid_request_frame",
    "invalid_handshake_worker",
    "invalid_role",
];
const ORIGIN: &[&str] = &["origin_not_allowed", "origin_missing_or_invalid"];

/// The table from the gateway's names of causes to ours.
fn of_cause(name: &str, refused: &Refused) -> &'static [&'static str] {
    let detail = refused.detail.as_deref().unwrap_or_default();
    match name {
        "unauthorized" => of_auth_reason(refused.auth_reason.as_deref().unwrap_or_default()),
        "pairing-required" => match detail {
            "not-paired" => &["not_paired"],
            "role-upgrade" => &["role_upgrade"],
            "scope-upgrade" => &["scope_upgrade"],
            "metadata-upgrade" => &["metadata_upgrade"],
            _ => &["not_paired", "role_upgrade", "scope_upgrade", "metadata_upgrade"],
        },
        "device-required" => &["device_identity_required"],
        "control-ui-insecure-auth" => &["control_ui_device_identity_required"],
        "device-auth-invalid" => match detail {
            "device-id-mismatch" => &["device_id_mismatch"],
            "device-signature-stale" => &["device_signature_expired"],
            "device-nonce-missing" => &["device_nonce_required"],
            "device-nonce-mismatch" => &["device_nonce_mismatch"],
            "device-signature" => &["device_signature_invalid"],
            "device-public-key" => &["device_public_key_invalid"],
            _ => &["device_proof_refused"],
        },
        "origin-mismatch" => match detail {
            "origin missing or invalid" => &["origin_missing_or_invalid"],
            "origin not allowed" => &["origin_not_allowed"],
            _ => ORIGIN,
        },
        "protocol-mismatch" => &["protocol_mismatch"],
        "control-ui-build-mismatch" => &["control_ui_build_mismatch"],
        "invalid-role" => &["invalid_role"],
        "invalid-handshake" => INVALID_HANDSHAKE,
        "handshake-timeout" => HANDSHAKE_TIMEOUT,
        "preauth-payload-too-large" => &["preauth_payload_too_large"],
        "handshake-message-overflow" | "message-handler-loading-overflow" => {
            &["too_many_pending_frames"]
        }
        "gateway-auth-rotated" => &["gateway_auth_changed"],
        "client-invalidated" => &["client_invalidated", "device_removed"],
        "outbound-buffer-exceeded" => &["slow_consumer"],
        "heartbeat-timeout" => &["heartbeat_timeout"],
        "repeated-unauthorized-requests" => &["repeated_unauthorized_calls"],
        "startup-sidecars-pending" => &["gateway_starting"],
        "node-pairing-generation-changed" => &["node_pairing_unavailable"],
        "authenticated-profile-unavailable" => &["profile_verification_unavailable"],
        "operator-access-denied" | "operator-access-closed" => &["access_not_active"],
        "agent-runtime-identity-invalid" | "agent-runtime-identity-untrusted-client" => {
            &["agent_runtime_token_invalid"]
        }
        _ => &[],
    }
}

/// `authReason` of the gateway.
fn of_auth_reason(reason: &str) -> &'static [&'static str] {
    match reason {
        "token_missing" => &["token_missing"],
        "token_mismatch" => &["token_mismatch"],
        "token_missing_config" => &["token_not_configured"],
        "token_redacted_config" => &["token_redacted_config"],
        "password_missing" => &["password_missing"],
        "password_mismatch" => &["password_mismatch"],
        "password_missing_config" => &["password_not_configured"],
        "bootstrap_token_invalid" => &["bootstrap_token_invalid"],
        "device_token_mismatch" => &["device_token_mismatch"],
        "scope_mismatch" => &["scope_mismatch"],
        "rate_limited" => &["rate_limited"],
        "trusted_proxy_user_missing" => &["trusted_proxy_user_missing"],
        "trusted_proxy_user_not_allowed" => &["trusted_proxy_user_not_allowed"],
        header if header.starts_with("trusted_proxy_missing_header_") => {
            &["identity_header_required"]
        }
        other if other.starts_with("trusted_proxy_") => &["trusted_proxy_refused"],
        other if other.starts_with("tailscale_") => &["tailscale_refused"],
        _ => &[],
    }
}

/// Texts of the WebSocket library that the gateway rests on.
fn of_socket_error(error: &str) -> &'static [&'static str] {
    if error.starts_with("Max payload size exceeded") {
        &["preauth_payload_too_large", "message_too_big"]
    } else if error.contains("invalid UTF-8 sequence") {
        &["ws_invalid_utf8"]
    } else if error.starts_with("Invalid WebSocket frame") {
        &["ws_protocol_error"]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests;
