//! What a connect request comes to. Only its first fault shows, in the gateway's order.
use serde_json::{Value, json};

use super::credentials::{self, SecretFault, Shared, TokenFault};
use super::devices::{Devices, Standing};
use super::hello::BUILD_ID;
use super::policy::{LocalPairing, PairedDevice, Policy, Startup};
use super::proof;
use super::refusal::Refusal;
use super::schema::{self, Connect, Device};
use crate::openclaw::{self, OriginPolicy};

const PROTOCOL: i64 = 4;
const OLDEST_PROBE_PROTOCOL: i64 = 3;

/// What is known of a client before it says anything.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) local: bool,
    pub(super) origin: Option<String>,
    pub(super) host: Option<String>,
    pub(super) nonce: String,
}

/// What a welcomed client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) method: &'static str,
    pub(super) role: String,
    pub(super) scopes: Vec<String>,
    pub(super) device: Option<GrantedDevice>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantedDevice {
    pub(super) id: String,
    pub(super) token: String,
}

impl Grant {
    /// Sessions that live by the shared secret end when it changes.
    pub(super) fn uses_shared_secret(&self) -> bool {
        matches!(self.method, "token" | "password")
    }
}

/// The verdict on a first frame that is a request: who is welcome, and as what.
pub(super) fn decide(
    params: &Value,
    caller: &Caller,
    policy: &Policy,
    devices: &mut Devices,
    now_ms: i64,
) -> Result<Grant, Refusal> {
    if policy.startup == Startup::Starting {
        return Err(starting());
    }
    let connect = schema::read(params).map_err(|fault| {
        Refusal::new("INVALID_REQUEST", format!("invalid connect params: {fault}"))
    })?;
    check_role(&connect)?;
    check_protocol(&connect)?;
    check_origin(&connect, caller, policy)?;
    let shared = credentials::shared(&policy.auth, &connect.auth);
    let grant = match &connect.device {
        None => without_device(&connect, caller, policy, shared),
        Some(device) => {
            proof::verify(&connect, device, &caller.nonce, now_ms)?;
            let method = authenticate(&connect, device, caller, policy, (shared, devices))?;
            let silent = caller.local
                && policy.local_pairing == LocalPairing::Silent
                && method != "device-token";
            pair(&connect, device, devices, silent, now_ms)?;
            Ok(with_device(&connect, device, devices, method))
        }
    }?;
    check_build(&connect, caller)?;
    Ok(grant)
}

fn starting() -> Refusal {
    Refusal::new("UNAVAILABLE", "gateway starting; retry shortly")
        .retry(true, Some(500))
        .details(json!({ "reason": "startup-sidecars" }))
        .closing(1013, "gateway starting")
}

fn check_role(connect: &Connect) -> Result<(), Refusal> {
    match connect.role.as_str() {
        "operator" | "node" => Ok(()),
        "worker" => Err(Refusal::close_only(1008, "invalid-handshake")),
        _ => Err(Refusal::new("INVALID_REQUEST", "invalid role")),
    }
}

fn check_protocol(connect: &Connect) -> Result<(), Refusal> {
    let (min, max) = (connect.min_protocol, connect.max_protocol);
    let mode = connect.client.mode.as_str();
    let speaks_it = min <= PROTOCOL && max >= PROTOCOL;
    let old_probe = mode == "probe" && max >= OLDEST_PROBE_PROTOCOL;
    let old_node = connect.role == "node" && mode == "node" && (min, max) == (3, 3);
    if speaks_it || old_probe || old_node {
        return Ok(());
    }
    Err(Refusal::new("INVALID_REQUEST", "protocol mismatch")
        .details(json!({
            "code": "PROTOCOL_MISMATCH",
            "clientMinProtocol": min,
            "clientMaxProtocol": max,
            "expectedProtocol": PROTOCOL,
            "minimumProbeProtocol": OLDEST_PROBE_PROTOCOL,
        }))
        .closing(1002, "protocol mismatch"))
}

fn check_origin(connect: &Connect, caller: &Caller, policy: &Policy) -> Result<(), Refusal> {
    if caller.origin.is_none() && !connect.is_browser() {
        return Ok(());
    }
    let origins = OriginPolicy { allowed: &policy.allowed_origins, host_fallback: false };
    let (origin, host) = (caller.origin.as_deref(), caller.host.as_deref());
    let ruling = openclaw::rule(origin, host, origins, caller.local);
    if ruling.allows() {
        return Ok(());
    }
    Err(Refusal::new(
        "INVALID_REQUEST",
        "origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)",
    )
    .details(json!({
        "code": "CONTROL_UI_ORIGIN_NOT_ALLOWED",
        "reason": ruling.refusal(),
    })))
}

fn without_device(
    connect: &Connect,
    caller: &Caller,
    policy: &Policy,
    shared: Shared,
) -> Result<Grant, Refusal> {
    if shared == Shared::Mismatch {
        return Err(credentials::refuse(connect, policy, caller.local, SecretFault::Mismatch));
    }
    if connect.is_control_ui() {
        return Err(Refusal::new(
            "INVALID_REQUEST",
            "control ui requires device identity (use HTTPS or localhost secure context)",
        )
        .details(json!({ "code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" })));
    }
    let Shared::Proven(method) = shared else {
        return Err(no_identity());
    };
    if connect.role != "operator" {
        return Err(no_identity());
    }
    let keeps_scopes = caller.local
        && matches!(
            (connect.client.id.as_str(), connect.client.mode.as_str()),
            ("cli", "cli") | ("gateway-client", "backend")
        );
    Ok(Grant {
        method,
        role: connect.role.clone(),
        scopes: if keeps_scopes { connect.scopes.clone() } else { Vec::new() },
        device: None,
    })
}

fn no_identity() -> Refusal {
    Refusal::new("NOT_PAIRED", "device identity required")
        .details(json!({ "code": "DEVICE_IDENTITY_REQUIRED" }))
}

/// The shared secret, or what the device itself holds.
fn authenticate(
    connect: &Connect,
    device: &Device,
    caller: &Caller,
    policy: &Policy,
    (shared, devices): (Shared, &Devices),
) -> Result<&'static str, Refusal> {
    let fault = match shared {
        Shared::Proven(method) => return Ok(method),
        Shared::NotAsked => return Ok("none"),
        Shared::Missing => SecretFault::Missing,
        Shared::Mismatch => SecretFault::Mismatch,
    };
    let offered = &connect.auth;
    let held = devices.token(&device.id);
    let own = [&offered.device_token, &offered.token]
        .into_iter()
        .filter_map(|token| token.as_deref())
        .any(|token| held == Some(token));
    if own {
        return match devices.standing(connect, device) {
            Standing::ScopeUpgrade => Err(credentials::refuse_token(TokenFault::Scope)),
            Standing::Paired | Standing::NotPaired | Standing::RoleUpgrade => Ok("device-token"),
        };
    }
    if offered.device_token.is_some() {
        return Err(credentials::refuse_token(TokenFault::Device));
    }
    if offered.bootstrap_token.is_some() {
        return Err(credentials::refuse_token(TokenFault::Bootstrap));
    }
    Err(credentials::refuse(connect, policy, caller.local, fault))
}

fn pair(
    connect: &Connect,
    device: &Device,
    devices: &mut Devices,
    silent: bool,
    now_ms: i64,
) -> Result<(), Refusal> {
    let standing = devices.standing(connect, device);
    if standing == Standing::Paired {
        return Ok(());
    }
    if !silent {
        return Err(devices.refuse(connect, device, standing, now_ms));
    }
    devices.pair(
        PairedDevice {
            id: device.id.clone(),
            roles: vec![connect.role.clone()],
            scopes: connect.scopes.clone(),
        },
        now_ms,
    );
    Ok(())
}

fn with_device(
    connect: &Connect,
    device: &Device,
    devices: &Devices,
    method: &'static str,
) -> Grant {
    Grant {
        method,
        role: connect.role.clone(),
        scopes: connect.scopes.clone(),
        device: devices
            .token(&device.id)
            .map(|token| GrantedDevice { id: device.id.clone(), token: token.to_owned() }),
    }
}

/// A page served by this very gateway has to be this gateway's build.
fn check_build(connect: &Connect, caller: &Caller) -> Result<(), Refusal> {
    let Some(build) = connect.client.build_id.as_deref() else {
        return Ok(());
    };
    let served_here = openclaw::same_host(caller.origin.as_deref(), caller.host.as_deref());
    if !connect.is_control_ui() || !served_here || build == "dev" || build == BUILD_ID {
        return Ok(());
    }
    Err(Refusal::new(
        "UNAVAILABLE",
        "protocol mismatch: Control UI updated; reload this page to continue",
    )
    .retry(false, None)
    .details(json!({
        "code": "PROTOCOL_MISMATCH",
        "gatewayBuildId": BUILD_ID,
        "reloadRequired": true,
    })))
}
