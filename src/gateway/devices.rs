//! Devices that are paired, and those that wait for approval.
use serde_json::{Map, Value, json};

use super::policy::{PairedDevice, Policy};
use super::refusal::Refusal;
use super::schema::{Connect, Device};

#[derive(Debug, Default)]
pub(super) struct Devices {
    paired: Vec<Paired>,
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Paired {
    device: PairedDevice,
    token: String,
    approved_at_ms: i64,
}

/// A device that asked and was not approved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub request_id: String,
    pub device_id: String,
    pub role: String,
    pub scopes: Vec<String>,
    asked_at_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Paired,
    NotPaired,
    RoleUpgrade,
    ScopeUpgrade,
}

impl Devices {
    pub(super) fn new(policy: &Policy) -> Self {
        let mut devices = Self::default();
        for device in &policy.paired {
            devices.pair(device.clone(), 0);
        }
        devices
    }

    pub(super) fn pair(&mut self, device: PairedDevice, now_ms: i64) {
        match self.paired.iter_mut().find(|p| p.device.id == device.id) {
            Some(known) => {
                merge(&mut known.device.roles, device.roles);
                merge(&mut known.device.scopes, device.scopes);
            }
            None => self.paired.push(Paired {
                device,
                token: super::challenge::secret(),
                approved_at_ms: now_ms,
            }),
        }
    }

    pub(super) fn standing(&self, connect: &Connect, device: &Device) -> Standing {
        match self.find(&device.id) {
            None => Standing::NotPaired,
            Some(known) if !known.device.roles.contains(&connect.role) => Standing::RoleUpgrade,
            Some(known) if !covers(&known.device.scopes, &connect.scopes) => Standing::ScopeUpgrade,
            Some(_) => Standing::Paired,
        }
    }

    pub(super) fn token(&self, device_id: &str) -> Option<&str> {
        self.find(device_id).map(|known| known.token.as_str())
    }

    pub(super) fn approve(&mut self, request_id: &str, now_ms: i64) -> Option<Pending> {
        let index = self.pending.iter().position(|pending| pending.request_id == request_id)?;
        let pending = self.pending.remove(index);
        self.pair(
            PairedDevice {
                id: pending.device_id.clone(),
                roles: vec![pending.role.clone()],
                scopes: pending.scopes.clone(),
            },
            now_ms,
        );
        Some(pending)
    }

    pub(super) fn remove(&mut self, device_id: &str) -> bool {
        let before = self.paired.len();
        self.paired.retain(|known| known.device.id != device_id);
        self.paired.len() != before
    }

    pub(super) fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The refusal of an unpaired device; a repeated attempt keeps its request id.
    pub(super) fn refuse(
        &mut self,
        connect: &Connect,
        device: &Device,
        standing: Standing,
        now_ms: i64,
    ) -> Refusal {
        let (reason, requirement, remedy) = words(standing);
        let request_id = self.request(connect, device, now_ms);
        let mut details = Map::new();
        details.insert("code".into(), json!("PAIRING_REQUIRED"));
        details.insert("reason".into(), json!(reason));
        details.insert("requestId".into(), json!(request_id));
        details.insert("remediationHint".into(), json!(remedy));
        if connect.is_control_ui() {
            details.insert("recommendedNextStep".into(), json!("wait_then_retry"));
            details.insert("retryable".into(), json!(true));
            details.insert("pauseReconnect".into(), json!(false));
        }
        details.insert("deviceId".into(), json!(device.id));
        details.insert("requestedRole".into(), json!(connect.role));
        if !connect.scopes.is_empty() {
            details.insert("requestedScopes".into(), json!(connect.scopes));
        }
        if let Some(known) = self.find(&device.id) {
            details.insert("approvedRoles".into(), json!(known.device.roles));
            details.insert("approvedScopes".into(), json!(known.device.scopes));
        }
        let message = format!("pairing required: {requirement}");
        let close = format!("{message} (requestId: {request_id})");
        Refusal::new("NOT_PAIRED", message).details(Value::Object(details)).closing(1008, &close)
    }

    /// The answer to `device.pair.list`.
    pub(super) fn list(&self) -> Value {
        let pending: Vec<Value> = self.pending.iter().map(Pending::json).collect();
        let paired: Vec<Value> = self.paired.iter().map(Paired::json).collect();
        json!({ "pending": pending, "paired": paired })
    }

    fn request(&mut self, connect: &Connect, device: &Device, now_ms: i64) -> String {
        let known = self.pending.iter().find(|p| {
            p.device_id == device.id && p.role == connect.role && p.scopes == connect.scopes
        });
        if let Some(known) = known {
            return known.request_id.clone();
        }
        let request_id = super::challenge::uuid();
        self.pending.push(Pending {
            request_id: request_id.clone(),
            device_id: device.id.clone(),
            role: connect.role.clone(),
            scopes: connect.scopes.clone(),
            asked_at_ms: now_ms,
        });
        request_id
    }

    fn find(&self, device_id: &str) -> Option<&Paired> {
        self.paired.iter().find(|known| known.device.id == device_id)
    }
}

impl Pending {
    fn json(&self) -> Value {
        json!({
            "requestId": self.request_id,
            "deviceId": self.device_id,
            "role": self.role,
            "roles": [self.role],
            "scopes": self.scopes,
            "silent": false,
            "isRepair": false,
            "ts": self.asked_at_ms,
        })
    }
}

impl Paired {
    fn json(&self) -> Value {
        let role = self.device.roles.first();
        json!({
            "deviceId": self.device.id,
            "role": role,
            "roles": self.device.roles,
            "scopes": self.device.scopes,
            "createdAtMs": self.approved_at_ms,
            "approvedAtMs": self.approved_at_ms,
            "tokens": [{
                "role": role,
                "scopes": self.device.scopes,
                "createdAtMs": self.approved_at_ms,
            }],
        })
    }
}

fn words(standing: Standing) -> (&'static str, &'static str, &'static str) {
    match standing {
        Standing::Paired | Standing::NotPaired => (
            "not-paired",
            "device is not approved yet",
            "Approve this device from the pending pairing requests.",
        ),
        Standing::RoleUpgrade => (
            "role-upgrade",
            "device is asking for a higher role than currently approved",
            "Review the requested role upgrade, then approve the pending request.",
        ),
        Standing::ScopeUpgrade => (
            "scope-upgrade",
            "device is asking for more scopes than currently approved",
            "Review the requested scopes, then approve the pending upgrade.",
        ),
    }
}

/// Whether the granted scopes contain or imply all wanted ones.
pub(super) fn covers(granted: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|scope| allows(granted, scope))
}

/// Admin implies every scope, write implies read.
pub(super) fn allows(granted: &[String], wanted: &str) -> bool {
    granted.iter().any(|scope| {
        scope == wanted
            || scope == "operator.admin"
            || (scope == "operator.write" && wanted == "operator.read")
    })
}

fn merge(known: &mut Vec<String>, added: Vec<String>) {
    for value in added {
        if !known.contains(&value) {
            known.push(value);
        }
    }
}
