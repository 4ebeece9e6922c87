//! The browser's origin is refused.

use super::rule::{Phase, Rule, Todo, When, look, set};
use crate::session::{Layer, Who};

const fn origin(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Origin, who, says, next, when }
}

pub(super) const ORIGIN_MISSING_OR_INVALID: Rule = origin(
    "origin_missing_or_invalid",
    Who::Client,
    "A browser client came without a usable Origin ({origin}).",
    &[look(
        "find what strips Origin on the way; file: and sandboxed pages send null and cannot connect",
    )],
    &[When::Detail("CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason", "origin missing or invalid")],
);

pub(super) const ORIGIN_NOT_ALLOWED: Rule = origin(
    "origin_not_allowed",
    Who::Gateway,
    "The gateway does not admit the origin {origin} (Host was {host}).",
    &[
        set(
            "add exactly this origin: scheme, host and port, no path, no wildcard",
            "gateway.controlUi.allowedOrigins += \"{origin}\"",
        ),
        set("or let the reverse proxy pass Host unchanged", "proxy_set_header Host $http_host;"),
    ],
    &[
        When::Detail("CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason", "origin not allowed"),
        When::CodeAlone("CONTROL_UI_ORIGIN_NOT_ALLOWED"),
        When::Said("origin not allowed"),
    ],
);

pub(super) const COPILOT_ORIGIN: Rule = origin(
    "copilot_origin_refused",
    Who::Client,
    "The browser copilot was refused for where it runs: \"{message}\".",
    &[look("use the browser copilot's own extension page")],
    &[When::Says("browser copilot requires")],
);

pub(super) const ORIGIN_POLICY_CHANGED: Rule = origin(
    "origin_policy_changed",
    Who::Gateway,
    "The origin {origin} was taken off the gateway's list while connected.",
    &[set("put it back, then reload the page", "gateway.controlUi.allowedOrigins += \"{origin}\"")],
    &[When::Closed(Phase::AfterHello, 1008, "origin not allowed")],
);
