//! Refused for the credentials, the device proof, or a call for lack of scope.

use super::rule::{Finding, Phase, Rule, When, look, run, set};
use super::view::View;
use crate::session::{Calls, Direction, RefusedCalls};
use crate::session::{Layer, Who};

/// A rule of this layer.
const fn auth(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [super::rule::Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Auth, who, says, next, when }
}

pub(super) const TOKEN_MISSING: Rule = auth(
    "token_missing",
    Who::Client,
    "The gateway wants its token and the client sent none.",
    &[
        run(
            "give the client the gateway's token",
            "openclaw gateway status --url {url} --token <token>",
        ),
        set(
            "or store it where the client looks",
            "gateway.remote.token = <value of gateway.auth.token>",
        ),
        look("in the Control UI: paste the token in its settings"),
    ],
    &[When::Code("AUTH_TOKEN_MISSING"), When::Said("unauthorized: gateway token missing")],
);

pub(super) const TOKEN_MISMATCH: Rule = auth(
    "token_mismatch",
    Who::Client,
    "The client sent a secret ({credentials}), and it is not the gateway's token.",
    &[
        run(
            "read the gateway's token on its host; openclaw config get hides it",
            "grep -w token \"$(openclaw config file)\"",
        ),
        set(
            "make the client's equal to it",
            "gateway.remote.token = <value of gateway.auth.token>",
        ),
        look(
            "with --url only --token counts; for the local target the configuration wins over OPENCLAW_GATEWAY_TOKEN",
        ),
    ],
    &[When::Code("AUTH_TOKEN_MISMATCH"), When::Said("unauthorized: gateway token mismatch")],
);

pub(super) const TOKEN_NOT_CONFIGURED: Rule = auth(
    "token_not_configured",
    Who::Gateway,
    "The gateway is in token mode and has no token configured.",
    &[set("set a token on the gateway and restart it", "gateway.auth.token = <token>")],
    &[
        When::Code("AUTH_TOKEN_NOT_CONFIGURED"),
        When::Said("unauthorized: gateway token not configured"),
    ],
);

pub(super) const PASSWORD_MISSING: Rule = auth(
    "password_missing",
    Who::Client,
    "The gateway wants its password and the client sent none.",
    &[
        run(
            "give the client the password",
            "openclaw gateway status --url {url} --password <password>",
        ),
        set(
            "or store it where the client looks",
            "gateway.remote.password = <value of gateway.auth.password>",
        ),
    ],
    &[When::Code("AUTH_PASSWORD_MISSING"), When::Said("unauthorized: gateway password missing")],
);

pub(super) const PASSWORD_MISMATCH: Rule = auth(
    "password_mismatch",
    Who::Client,
    "The client sent a secret ({credentials}), and it is not the gateway's password.",
    &[
        run("see which mode the gateway is in", "openclaw config get gateway.auth.mode"),
        set(
            "make the client's password equal to the gateway's",
            "gateway.remote.password = <value of gateway.auth.password>",
        ),
    ],
    &[When::Code("AUTH_PASSWORD_MISMATCH"), When::Said("unauthorized: gateway password mismatch")],
);

pub(super) const PASSWORD_NOT_CONFIGURED: Rule = auth(
    "password_not_configured",
    Who::Gateway,
    "The gateway is in password mode and has no password configured.",
    &[set("set a password on the gateway and restart it", "gateway.auth.password = <password>")],
    &[
        When::Code("AUTH_PASSWORD_NOT_CONFIGURED"),
        When::Said("unauthorized: gateway password not configured"),
    ],
);

pub(super) const BOOTSTRAP_TOKEN_INVALID: Rule = auth(
    "bootstrap_token_invalid",
    Who::Client,
    "The setup code is wrong, expired, revoked or already used.",
    &[
        run("see which devices are known or waiting", "openclaw devices list"),
        look("create a new setup code on the gateway and use it once"),
    ],
    &[When::Code("AUTH_BOOTSTRAP_TOKEN_INVALID"), When::Said("unauthorized: setup code invalid")],
);

pub(super) const DEVICE_TOKEN_MISMATCH: Rule = auth(
    "device_token_mismatch",
    Who::Client,
    "The device token that the client stored is not valid any more.",
    &[
        run("see the device {deviceId}", "openclaw devices list"),
        run("give it a new token", "openclaw devices rotate --device {deviceId} --role {role}"),
        look("or connect once with the shared token, so that the client stores a new one"),
    ],
    &[When::Code("AUTH_DEVICE_TOKEN_MISMATCH"), When::Said("unauthorized: device token mismatch")],
);

pub(super) const SCOPE_MISMATCH: Rule = auth(
    "scope_mismatch",
    Who::Client,
    "The device token is valid and carries fewer scopes than the client asks for ({scopes}).",
    &[
        run("see the request for more scopes", "openclaw devices list"),
        run("approve it", "openclaw devices approve {requestId}"),
        look("or ask for fewer scopes"),
    ],
    &[When::Code("AUTH_SCOPE_MISMATCH"), When::Said("unauthorized: device token scope mismatch")],
);

pub(super) const RATE_LIMITED: Rule = auth(
    "rate_limited",
    Who::Client,
    "The gateway has locked this address out after failed attempts; even a good token is refused now.",
    &[
        look(
            "stop the client that sends the wrong secret; behind one proxy or tap all clients share one count",
        ),
        look("wait {retryAfter}, then try again"),
        set("to change the limits", "gateway.auth.rateLimit"),
    ],
    &[
        When::Code("AUTH_RATE_LIMITED"),
        When::Said("unauthorized: too many failed authentication attempts"),
    ],
);

pub(super) const DEVICE_ID_MISMATCH: Rule = auth(
    "device_id_mismatch",
    Who::Client,
    "The device id is not the hash of the device's public key.",
    &[look("recreate the client's device identity")],
    &[When::Code("DEVICE_AUTH_DEVICE_ID_MISMATCH"), When::Said("device identity mismatch")],
);

pub(super) const DEVICE_NONCE_REQUIRED: Rule = auth(
    "device_nonce_required",
    Who::Client,
    "The device block came without the challenge's nonce.",
    &[look("update the client; look for something that strips the nonce")],
    &[When::Code("DEVICE_AUTH_NONCE_REQUIRED"), When::Said("device nonce required")],
);

pub(super) const DEVICE_NONCE_MISMATCH: Rule = auth(
    "device_nonce_mismatch",
    Who::Client,
    "The nonce is not the one of this connection.",
    &[look("remove what caches or replays the challenge between client and gateway")],
    &[When::Code("DEVICE_AUTH_NONCE_MISMATCH"), When::Said("device nonce mismatch")],
);

pub(super) const DEVICE_SIGNATURE_INVALID: Rule = auth(
    "device_signature_invalid",
    Who::Client,
    "The device's signature does not verify: another nonce, token, scope or key was signed.",
    &[look("check that nothing rewrites the connect request; update the client")],
    &[When::Code("DEVICE_AUTH_SIGNATURE_INVALID"), When::Said("device signature invalid")],
);

pub(super) const DEVICE_SIGNATURE_EXPIRED: Rule = auth(
    "device_signature_expired",
    Who::Client,
    "The signature's time is more than 120 s off the gateway's clock.",
    &[run("set the clocks of both machines", "timedatectl set-ntp true")],
    &[When::Code("DEVICE_AUTH_SIGNATURE_EXPIRED"), When::Said("device signature expired")],
);

pub(super) const DEVICE_PUBLIC_KEY_INVALID: Rule = auth(
    "device_public_key_invalid",
    Who::Client,
    "The device's public key cannot be read.",
    &[look("recreate the client's device identity")],
    &[When::Code("DEVICE_AUTH_PUBLIC_KEY_INVALID"), When::Said("device public key invalid")],
);

pub(super) const DEVICE_PROOF_REFUSED: Rule = auth(
    "device_proof_refused",
    Who::Client,
    "The gateway refused the device's proof: {detailCode}.",
    &[
        look("update client and gateway to the same version"),
        look("recreate the client's device identity"),
    ],
    &[When::CodeLike("DEVICE_AUTH_")],
);

pub(super) const IDENTITY_HEADER_REQUIRED: Rule = auth(
    "identity_header_required",
    Who::FrontProxy,
    "The gateway takes its users from a reverse proxy, and a header that it requires is missing ({authReason}).",
    &[
        set("let the reverse proxy send that header", "gateway.auth.trustedProxy.requiredHeaders"),
        look("connect through the reverse proxy, not around it"),
    ],
    &[When::Code("AUTH_IDENTITY_HEADER_REQUIRED")],
);

pub(super) const TRUSTED_PROXY_USER_MISSING: Rule = auth(
    "trusted_proxy_user_missing",
    Who::FrontProxy,
    "The gateway takes its users from a reverse proxy, and no user header came.",
    &[set("name the header that the proxy sends", "gateway.auth.trustedProxy.userHeader")],
    &[When::Detail("AUTH_UNAUTHORIZED", "authReason", "trusted_proxy_user_missing")],
);

pub(super) const TRUSTED_PROXY_USER_NOT_ALLOWED: Rule = auth(
    "trusted_proxy_user_not_allowed",
    Who::FrontProxy,
    "The reverse proxy named a user who is not on the gateway's list.",
    &[set("add the user", "gateway.auth.trustedProxy.allowUsers")],
    &[When::Detail("AUTH_UNAUTHORIZED", "authReason", "trusted_proxy_user_not_allowed")],
);

pub(super) const TRUSTED_PROXY_REFUSED: Rule = auth(
    "trusted_proxy_refused",
    Who::FrontProxy,
    "The gateway takes its users from a reverse proxy and does not accept this one ({authReason}).",
    &[
        set("list the address that dials the gateway", "gateway.trustedProxies"),
        set("a proxy on loopback also needs", "gateway.auth.trustedProxy.allowLoopback = true"),
    ],
    &[When::Detail("AUTH_UNAUTHORIZED", "authReason", "trusted_proxy_")],
);

pub(super) const TOKEN_REDACTED_CONFIG: Rule = auth(
    "token_redacted_config",
    Who::Client,
    "The client sent the placeholder of a redacted configuration instead of the secret.",
    &[set("store the real secret", "gateway.remote.token = <value of gateway.auth.token>")],
    &[When::Detail("AUTH_UNAUTHORIZED", "authReason", "token_redacted_config")],
);

pub(super) const TAILSCALE_REFUSED: Rule = auth(
    "tailscale_refused",
    Who::FrontProxy,
    "The gateway did not accept the Tailscale identity: {detailCode}.",
    &[look("connect through Tailscale Serve, or use the token")],
    &[When::CodeLike("AUTH_TAILSCALE_"), When::Said("unauthorized: tailscale")],
);

pub(super) const VERIFIED_USER_REQUIRED: Rule = auth(
    "verified_user_required",
    Who::Client,
    "The gateway's role policies need a verified user, and this connection has none.",
    &[look("connect through the identity provider or reverse proxy that names the user")],
    &[
        When::Code("AUTH_VERIFIED_USER_REQUIRED"),
        When::Said("operator role policies require a verified user"),
    ],
);

pub(super) const PROFILE_UNAVAILABLE: Rule = auth(
    "profile_verification_unavailable",
    Who::Gateway,
    "The gateway cannot verify the user's profile at the moment.",
    &[look("wait {retryAfter} and try again; look at the gateway's log")],
    &[
        When::Code("AUTHENTICATED_PROFILE_UNAVAILABLE"),
        When::Said("Authenticated profile verification is unavailable"),
    ],
);

pub(super) const ACCESS_NOT_ACTIVE: Rule = auth(
    "access_not_active",
    Who::Gateway,
    "The gateway's access policy does not admit this user any more.",
    &[look("ask who runs the gateway to renew the access")],
    &[
        When::Says("Gateway access is no longer active"),
        When::Closed(Phase::Any, 4001, "Gateway access is no longer active"),
    ],
);

pub(super) const UNAUTHORIZED: Rule = auth(
    "unauthorized",
    Who::Client,
    "The gateway refused the credentials: {detailCode} {authReason}.",
    &[
        run("see what the gateway expects", "openclaw config get gateway.auth.mode"),
        look("compare it with what the client sends: {credentials}"),
    ],
    &[
        When::CodeAlone("AUTH_UNAUTHORIZED"),
        When::Code("AUTH_REQUIRED"),
        When::CodeLike("AUTH_"),
        When::Said("unauthorized"),
    ],
);

pub(super) const GATEWAY_AUTH_CHANGED: Rule = auth(
    "gateway_auth_changed",
    Who::Gateway,
    "The gateway's secret or auth mode was changed while the client was connected or connecting.",
    &[
        run(
            "read the new one on the gateway's host; openclaw config get hides it",
            "grep -w token \"$(openclaw config file)\"",
        ),
        look("reconnect with it"),
    ],
    &[When::Closed(Phase::Any, 4001, "gateway auth changed")],
);

pub(super) const CLIENT_INVALIDATED: Rule = auth(
    "client_invalidated",
    Who::Gateway,
    "The gateway withdrew this client's admission: \"{reason}\".",
    &[run("see whether the device is still paired", "openclaw devices list"), look("reconnect")],
    &[
        When::Closed(Phase::Any, 4001, "client invalidated"),
        When::Closed(Phase::Any, 4001, "gateway policy changed"),
        When::Closed(Phase::Any, 4001, "operator role changed"),
        When::Closed(Phase::Any, 4001, "agent runtime authority closed"),
        When::Closed(Phase::Any, 4001, ""),
    ],
);

pub(super) const REPEATED_UNAUTHORIZED_CALLS: Rule = auth(
    "repeated_unauthorized_calls",
    Who::Client,
    "The client called what its role may not call, more than ten times, and the gateway closed.",
    &[look("connect with role operator, or stop the client from calling operator methods")],
    &[When::Closed(Phase::AfterHello, 1008, "repeated unauthorized calls")],
);

pub(super) const AGENT_RUNTIME_TOKEN_INVALID: Rule = auth(
    "agent_runtime_token_invalid",
    Who::Client,
    "The agent runtime's identity token was refused: \"{message}\".",
    &[look("start the agent run again, so that it gets a new token")],
    &[
        When::Says("invalid agent runtime identity token"),
        When::Says("agent runtime identity token"),
        When::Closed(Phase::Any, 1008, "agent runtime identity token"),
    ],
);

pub(super) const MISSING_SCOPE: Rule = auth(
    "missing_scope",
    Who::Client,
    "Connected, but {refusedMethod} was refused for lack of scope; granted: {grantedScopes}.",
    &[
        run("pair the client's device, so that it keeps its scopes", "openclaw devices list"),
        run("and approve it", "openclaw devices approve {requestId}"),
        look("or dial the gateway over loopback without forwarded headers"),
    ],
    &[When::Fact(missing_scope)],
);

/// The first call refused for lack of scope; those that wstap makes to be refused do not count.
pub(super) fn forbidden<'a>(view: &View<'a>) -> Option<(usize, &'a RefusedCalls)> {
    let forbidden = |code: &str| code == "FORBIDDEN" || code == "MISSING_SCOPE";
    let own = |call: &RefusedCalls| call.method.as_ref().is_some_and(|m| m.starts_with(Calls::OWN));
    view.calls()?.refused.iter().enumerate().find(|(_, refused)| {
        let mut codes = [&refused.code, &refused.detail_code].into_iter().flatten();
        codes.any(|code| forbidden(code)) && !own(refused)
    })
}

/// FORBIDDEN to anything but a probe, for which scopes are cleared by design.
fn missing_scope(view: &View<'_>) -> Option<Finding> {
    let mode = view.connect().and_then(|c| c.client_mode.as_deref());
    if mode == Some("probe") {
        return None;
    }
    let (index, call) = forbidden(view)?;
    let refused = &view.calls()?.refused;
    let sure = mode.is_some() && view.hello().is_some() && refused.len() == 1;
    let orderly = view.client_close().is_some_and(super::view::Closing::is_orderly);
    let (codes, count) = (call.code.as_deref().unwrap_or_default(), call.count);
    let granted_none = view.hello().is_some_and(|h| h.scopes.as_ref().is_some_and(Vec::is_empty));
    Some(
        Finding::certain_if(sure && orderly)
            .because_if(
                granted_none,
                "hello-ok granted no scope: a remote client without device identity loses them",
            )
            .because_if(
                mode.is_none(),
                "the client's mode is not known; to a probe this happens by design",
            )
            .cite(
                format!("openclaw.calls.refused[{index}]"),
                format!("{count} call(s) refused {codes}"),
                Some(call.at),
            )
            .on(Direction::ServerToClient.source()),
    )
}
