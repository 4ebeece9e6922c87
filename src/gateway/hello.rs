//! What the gateway tells about itself: hello-ok, health, presence, status.
use serde_json::{Map, Value, json};

use super::call::METHODS;
use super::challenge::{now_ms, secret};
use super::connect::Grant;
use super::devices::allows;
use super::policy::{Auth, Policy};

pub(super) const VERSION: &str = "2026.9.6";
pub(super) const BUILD_ID: &str = "2026.9.6-release-eb377ac59e6c-2026-09-23T16-33-12.144Z";
pub(super) const MAX_PAYLOAD: usize = 26_214_400;
pub(super) const MAX_BUFFERED: usize = 52_428_800;

/// What differs from session to session.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) grant: &'a Grant,
    pub(super) policy: &'a Policy,
    pub(super) boot_id: &'a str,
    pub(super) conn_id: &'a str,
    pub(super) host: Option<&'a str>,
    pub(super) uptime_ms: u64,
}

/// The payload of hello-ok. What a client may not read is left out, key and all.
pub(super) fn hello_ok(told: &Told<'_>) -> Value {
    let reads = allows(&told.grant.scopes, "operator.read");
    let mut payload = Map::new();
    payload.insert("type".into(), json!("hello-ok"));
    payload.insert("protocol".into(), json!(4));
    payload.insert(
        "server".into(),
        json!({
            "version": VERSION,
            "buildId": BUILD_ID,
            "bootId": told.boot_id,
            "controlUiBuildSource": "bundled",
            "connId": told.conn_id,
        }),
    );
    payload.insert("features".into(), features());
    payload.insert("snapshot".into(), snapshot(told, reads));
    if reads {
        payload.insert("controlUiWidgetKinds".into(), widget_kinds());
        payload.insert("controlUiLinkReaders".into(), link_readers());
    }
    if told.grant.role == "operator" {
        let host = told.host.unwrap_or("127.0.0.1");
        payload.insert(
            "pluginSurfaceUrls".into(),
            json!({ "canvas": format!("http://{host}/__openclaw__/cap/{}", &secret()[..24]) }),
        );
    }
    payload.insert("auth".into(), auth(told.grant));
    payload.insert("policy".into(), limits(told.policy));
    Value::Object(payload)
}

fn features() -> Value {
    let methods: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
    json!({
        "methods": methods,
        "events": ["connect.challenge", "presence", "tick", "shutdown", "health",
            "device.pair.changed", "device.pair.requested", "device.pair.resolved"],
        "capabilities": ["gateway-restart-target-safe-v1", "model-catalog-snapshot"],
    })
}

fn snapshot(told: &Told<'_>, reads: bool) -> Value {
    let mut snapshot = Map::new();
    snapshot.insert("suspension".into(), json!({ "phase": "accepting" }));
    let presence = if reads { presence() } else { json!([]) };
    snapshot.insert("presence".into(), presence);
    snapshot.insert("health".into(), health());
    snapshot.insert("stateVersion".into(), state_version());
    snapshot.insert("uptimeMs".into(), json!(told.uptime_ms));
    snapshot.insert(
        "appliedConfigHash".into(),
        json!("hmac-sha256:v1:0000000000000000000000000000000000000000000"),
    );
    snapshot.insert(
        "sessionDefaults".into(),
        json!({
            "defaultAgentId": "main",
            "modelConfigured": false,
            "ownership": "sole",
            "selectionRequired": false,
            "mainKey": "main",
            "mainSessionKey": "agent:main:main",
            "scope": "per-sender",
        }),
    );
    if reads {
        snapshot
            .insert("updateSchedule".into(), json!({ "channel": "stable", "autoEnabled": false }));
    }
    if allows(&told.grant.scopes, "operator.admin") {
        let mode = match told.policy.auth {
            Auth::Token(_) => "token",
            Auth::Password(_) => "password",
            Auth::None => "none",
        };
        snapshot.insert("configPath".into(), json!("/stand-in/openclaw.json"));
        snapshot.insert("stateDir".into(), json!("/stand-in/state"));
        snapshot.insert("authMode".into(), json!(mode));
    }
    Value::Object(snapshot)
}

fn auth(grant: &Grant) -> Value {
    let mut auth = Map::new();
    auth.insert("method".into(), json!(grant.method));
    auth.insert("role".into(), json!(grant.role));
    auth.insert("scopes".into(), json!(grant.scopes));
    if grant.role == "operator" {
        auth.insert("recoveryScope".into(), json!(secret()));
    }
    if let Some(device) = &grant.device {
        if grant.role == "operator" {
            auth.insert("recoveryMigrationAllowed".into(), json!(true));
        }
        auth.insert("deviceToken".into(), json!(device.token));
        auth.insert("issuedAtMs".into(), json!(now_ms()));
    }
    Value::Object(auth)
}

fn limits(policy: &Policy) -> Value {
    json!({
        "maxPayload": MAX_PAYLOAD,
        "maxBufferedBytes": MAX_BUFFERED,
        "tickIntervalMs": u64::try_from(policy.tick_interval.as_millis()).unwrap_or(u64::MAX),
        "attachments": { "maxBytes": 19_464_192, "maxImageBytes": 6_291_456 },
        "allowedSessionVisibilities": ["shared", "read-only", "suggest", "draft"],
        "hasMultipleSessionSharingIdentities": false,
    })
}

fn widget_kinds() -> Value {
    json!([
        { "pluginId": "session", "kind": "session:report", "label": "Report" },
        { "pluginId": "session", "kind": "session:website", "label": "Website" },
    ])
}

fn link_readers() -> Value {
    json!([{
        "pluginId": "github",
        "id": "github",
        "label": "GitHub",
        "icon": "github",
        "linkReader": {
            "hosts": ["github.com"],
            "pathPattern": "^/[^/]+/[^/]+/(?:issues|pull)/[1-9][0-9]{0,9}/?$",
            "detailMethod": "github.detail",
            "previewMethod": "github.preview",
            "imageMethod": "github.image",
        },
    }])
}

pub(super) fn state_version() -> Value {
    json!({ "presence": 1, "health": 1 })
}

pub(super) fn presence() -> Value {
    json!([{
        "host": "stand-in",
        "ip": "127.0.0.1",
        "version": VERSION,
        "platform": "linux",
        "deviceFamily": "Linux",
        "mode": "gateway",
        "reason": "self",
        "instanceId": "00000000-0000-4000-8000-000000000000",
        "text": format!("Gateway: stand-in (127.0.0.1) · app {VERSION} · mode gateway · reason self"),
        "ts": now_ms(),
    }])
}

/// Health as snapshots and events carry it.
pub(super) fn health() -> Value {
    let mut health = health_head();
    health.insert("eventLoop".into(), event_loop());
    Value::Object(health)
}

/// Health as the method answers it, with one key more.
pub(super) fn health_answer() -> Value {
    let mut health = health_head();
    health.insert("modelRuntime".into(), model_runtime());
    health.insert("eventLoop".into(), event_loop());
    Value::Object(health)
}

fn health_head() -> Map<String, Value> {
    let sessions = json!({ "path": "/stand-in/agent.sqlite", "count": 0, "recent": [] });
    let mut head = Map::new();
    head.insert("ok".into(), json!(true));
    head.insert("ts".into(), json!(now_ms()));
    head.insert("durationMs".into(), json!(1));
    head.insert(
        "plugins".into(),
        json!({ "loaded": ["browser", "canvas", "device-pair"], "errors": [], "unavailable": [] }),
    );
    head.insert("configReload".into(), json!({ "hotReloadStatus": "active" }));
    head.insert("channels".into(), json!({}));
    head.insert("channelOrder".into(), json!([]));
    head.insert("channelLabels".into(), json!({}));
    head.insert("heartbeatSeconds".into(), json!(1800));
    head.insert("defaultAgentId".into(), json!("main"));
    head.insert(
        "agents".into(),
        json!([{
            "agentId": "main",
            "isDefault": true,
            "heartbeat": {
                "enabled": true,
                "every": "30m",
                "everyMs": 1_800_000,
                "prompt": "If nothing needs attention, reply NO_REPLY.",
                "target": "owner",
                "ackMaxChars": 300,
            },
            "sessions": sessions,
        }]),
    );
    head.insert("sessions".into(), sessions);
    head
}

fn model_runtime() -> Value {
    json!({ "degraded": false, "pendingAgents": [] })
}

fn event_loop() -> Value {
    json!({
        "degraded": false,
        "degradedSinceMs": null,
        "reasons": [],
        "intervalMs": 1005.1,
        "delayP99Ms": 20.6,
        "delayMaxMs": 20.6,
        "utilization": 0.015,
        "cpuCoreRatio": 0.024,
        "cpuBreakdown": {
            "mainThreadCoreRatio": 0.014,
            "hostUtilization": 0.5,
            "hostCpuCount": 2,
            "workerCoreRatio": 0.008,
            "otherThreadsCoreRatio": 0.002,
        },
    })
}

/// The answer to `status`.
pub(super) fn status() -> Value {
    json!({
        "runtimeVersion": VERSION,
        "hostDesktop": { "enabled": false, "state": "disabled", "port": 5900 },
        "heartbeat": {
            "defaultAgentId": "main",
            "agents": [{
                "agentId": "main",
                "enabled": true,
                "every": "30m",
                "everyMs": 1_800_000,
                "waitingForRoute": true,
            }],
        },
        "channelSummary": [],
        "queuedSystemEvents": [],
        "degradedSecretOwners": [],
        "degradedPlugins": [],
        "tasks": {
            "total": 0,
            "active": 0,
            "terminal": 0,
            "failures": 0,
            "byStatus": {
                "queued": 0, "running": 0, "succeeded": 0, "failed": 0,
                "timed_out": 0, "cancelled": 0, "lost": 0,
            },
            "byRuntime": { "subagent": 0, "acp": 0, "cli": 0, "cron": 0 },
        },
        "taskAudit": {
            "total": 0,
            "warnings": 0,
            "errors": 0,
            "byCode": {
                "stale_queued": 0, "stale_running": 0, "lost": 0, "delivery_failed": 0,
                "missing_cleanup": 0, "inconsistent_timestamps": 0,
            },
        },
        "sessions": {
            "paths": [],
            "count": 0,
            "defaults": { "model": null, "contextTokens": null },
            "recent": [],
            "byAgent": [{ "agentId": "main", "path": "[redacted]", "count": 0, "recent": [] }],
        },
        "modelRuntime": model_runtime(),
        "eventLoop": event_loop(),
    })
}
