//! Shared secrets and device tokens: what was offered against what is wanted.
use serde_json::json;

use super::policy::{Auth, Policy};
use super::refusal::Refusal;
use super::schema::{Connect, Offered};

/// What the shared secret came to, before a device may still save it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// The secret fits; the word is hello-ok's `auth.method`.
    Proven(&'static str),
    /// Nothing is asked, so nothing is proven either.
    NotAsked,
    Missing,
    Mismatch,
}

/// A secret of the other kind is tried as the wanted one, as the gateway does.
pub(super) fn shared(auth: &Auth, offered: &Offered) -> Shared {
    let (secret, method) = match auth {
        Auth::None => return Shared::NotAsked,
        Auth::Token(token) => (token, "token"),
        Auth::Password(password) => (password, "password"),
    };
    let mut given = [&offered.token, &offered.password]
        .into_iter()
        .filter_map(|value| value.as_deref())
        .filter(|value| !value.is_empty())
        .peekable();
    if given.peek().is_none() {
        return Shared::Missing;
    }
    if given.any(|value| value == secret) {
        return Shared::Proven(method);
    }
    Shared::Mismatch
}

/// What is wrong with the shared secret of a refused client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretFault {
    Missing,
    Mismatch,
}

/// The refusal of a missing or wrong shared secret.
pub(super) fn refuse(
    connect: &Connect,
    policy: &Policy,
    local: bool,
    fault: SecretFault,
) -> Refusal {
    let missing = fault == SecretFault::Missing;
    let kind = match policy.auth {
        Auth::Password(_) => "password",
        Auth::Token(_) | Auth::None => "token",
    };
    let what = if missing { "missing" } else { "mismatch" };
    let offered = &connect.auth;
    let can_retry = !missing
        && kind == "token"
        && connect.device.is_some()
        && offered.password.is_none()
        && offered.device_token.is_none();
    let next = match (missing, can_retry) {
        (true, _) => "update_auth_configuration",
        (false, true) => "retry_with_device_token",
        (false, false) => "update_auth_credentials",
    };
    let refusal = Refusal::new(
        "INVALID_REQUEST",
        format!("unauthorized: gateway {kind} {what} ({})", hint(connect, kind, local, fault)),
    )
    .details(json!({
        "code": format!("AUTH_{}_{}", kind.to_uppercase(), what.to_uppercase()),
        "authReason": format!("{kind}_{what}"),
        "canRetryWithDeviceToken": can_retry,
        "recommendedNextStep": next,
    }));
    if missing { refusal } else { refusal.delayed(policy.mismatch_delay) }
}

fn hint(connect: &Connect, kind: &str, local: bool, fault: SecretFault) -> String {
    if connect.is_browser() {
        return match (kind, fault) {
            ("password", _) => "enter the password in Control UI settings",
            (_, SecretFault::Missing) => {
                "paste in Control UI settings or openclaw doctor --generate-gateway-token; restart"
            }
            (_, SecretFault::Mismatch) => {
                "open the dashboard URL and paste the token in Control UI settings"
            }
        }
        .to_owned();
    }
    if connect.client.mode != "cli" {
        return format!("provide gateway auth {kind}");
    }
    match (local, kind) {
        (true, "token") => "use this gateway's gateway.auth.token or pair the device".to_owned(),
        (true, _) => format!("use this gateway's gateway.auth.{kind}"),
        (false, _) => format!("set gateway.remote.{kind} to match gateway.auth.{kind}"),
    }
}

/// The refusal of a device or setup token.
pub(super) fn refuse_token(fault: TokenFault) -> Refusal {
    let (message, code, reason, next) = match fault {
        TokenFault::Device => (
            "device token mismatch (rotate/reissue device token)",
            "AUTH_DEVICE_TOKEN_MISMATCH",
            "device_token_mismatch",
            "update_auth_credentials",
        ),
        TokenFault::Scope => (
            "device token scope mismatch (re-pair or approve scope upgrade)",
            "AUTH_SCOPE_MISMATCH",
            "scope_mismatch",
            "review_auth_configuration",
        ),
        TokenFault::Bootstrap => (
            "setup code invalid, expired, revoked, or already used (create a new code; review `openclaw devices list`)",
            "AUTH_BOOTSTRAP_TOKEN_INVALID",
            "bootstrap_token_invalid",
            "review_auth_configuration",
        ),
    };
    Refusal::new("INVALID_REQUEST", format!("unauthorized: {message}")).details(json!({
        "code": code,
        "authReason": reason,
        "canRetryWithDeviceToken": false,
        "recommendedNextStep": next,
    }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFault {
    Device,
    Scope,
    Bootstrap,
}
