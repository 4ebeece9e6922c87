//! The device identity is missing, unknown, not approved for this, or removed.

use super::rule::{Finding, Phase, Rule, Todo, When, look, run};
use super::view::View;
use crate::session::Leg;
use crate::session::{Layer, Who};

const fn pairing(
    slug: &'static str,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Pairing, who: Who::Client, says, next, when }
}

pub(super) const DEVICE_IDENTITY_REQUIRED: Rule = pairing(
    "device_identity_required",
    "The client sent neither a device identity nor credentials that make up for it.",
    &[
        run(
            "an operator: send the gateway's token",
            "openclaw gateway status --url {url} --token <token>",
        ),
        look("a node: use a client that has a device identity"),
    ],
    &[When::Code("DEVICE_IDENTITY_REQUIRED"), When::Said("device identity required")],
);

pub(super) const CONTROL_UI_DEVICE_IDENTITY_REQUIRED: Rule = pairing(
    "control_ui_device_identity_required",
    "The Control UI came without a device identity: a browser makes one only over https or on localhost.",
    &[look("open the Control UI over https or as http://localhost:{port}")],
    &[
        When::Code("CONTROL_UI_DEVICE_IDENTITY_REQUIRED"),
        When::Said("control ui requires device identity"),
    ],
);

const APPROVE: &[Todo] = &[
    run(
        "approve it on the gateway's host; the request lives five minutes",
        "openclaw devices approve {requestId}",
    ),
    run("if the id is gone, read the new one", "openclaw devices list"),
];

pub(super) const ROLE_UPGRADE: Rule = pairing(
    "role_upgrade",
    "The device is paired for another role than {role} and waits for approval.",
    APPROVE,
    &[
        When::Detail("PAIRING_REQUIRED", "reason", "role-upgrade"),
        When::Said("pairing required: device is asking for a higher role"),
    ],
);

pub(super) const SCOPE_UPGRADE: Rule = pairing(
    "scope_upgrade",
    "The device is paired with fewer scopes than it asks for ({scopes}) and waits for approval.",
    APPROVE,
    &[
        When::Detail("PAIRING_REQUIRED", "reason", "scope-upgrade"),
        When::Said("pairing required: device is asking for more scopes"),
    ],
);

pub(super) const METADATA_UPGRADE: Rule = pairing(
    "metadata_upgrade",
    "The paired device reports another platform or family than before and waits for approval.",
    &[
        look("check that it is the same machine"),
        run("then approve it on the gateway's host", "openclaw devices approve {requestId}"),
    ],
    &[
        When::Detail("PAIRING_REQUIRED", "reason", "metadata-upgrade"),
        When::Said("pairing required: device identity changed"),
    ],
);

pub(super) const NOT_PAIRED: Rule = pairing(
    "not_paired",
    "The gateway does not know the device {deviceId} and waits for its approval.",
    APPROVE,
    &[
        When::Detail("PAIRING_REQUIRED", "reason", "not-paired"),
        When::CodeAlone("PAIRING_REQUIRED"),
        When::Said("pairing required"),
        When::Fact(not_paired),
    ],
);

/// The top-level code says the layer even where the rest is unknown.
fn not_paired(view: &View<'_>) -> Option<Finding> {
    (view.refusal()?.code.as_deref() == Some("NOT_PAIRED")).then(|| {
        Finding::possible()
            .because("the code says pairing; what exactly is missing is not known to these rules")
            .cite("openclaw.refusal.code", "NOT_PAIRED", view.answer_at())
            .on(Leg::Upstream)
    })
}

pub(super) const NODE_PAIRING_UNAVAILABLE: Rule = pairing(
    "node_pairing_unavailable",
    "The node's pairing could not be confirmed: \"{message}\".",
    &[run("see the node's pairing", "openclaw devices list"), look("reconnect the node")],
    &[
        When::Says("authenticated node pairing identity unavailable"),
        When::Says("node pairing changed during connect"),
    ],
);

pub(super) const COPILOT_DEVICE_REQUIRED: Rule = pairing(
    "copilot_device_required",
    "The browser copilot needs a paired device identity of its own.",
    &[run("pair it", "openclaw devices list")],
    &[When::Says("browser copilot requires a dedicated paired device identity")],
);

pub(super) const DEVICE_REMOVED: Rule = pairing(
    "device_removed",
    "The device was removed from the gateway while it was connected.",
    &[run("if that was not intended, pair it again", "openclaw devices list")],
    &[When::Closed(Phase::Any, 4001, "device removed")],
);
