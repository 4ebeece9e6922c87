//! What inserting wstap here changes for an OpenClaw gateway: who is local, whose address it sees.
//!
//! A gateway calls a client local when its peer is a loopback address and no forwarded header came
//! along; see the table of consequences in README.

use super::settings::Route;
use crate::accept::ListenSpec;
use crate::upgrade::Forwarded;

/// One paragraph about this route: printed at start, and recorded with the tap for all of its
/// sessions.
pub(super) fn place(route: &Route) -> String {
    let via = route.dialer.via();
    let upstream_local = via.is_none() && route.dialer.upstream().is_loopback();
    let listener_local = match &route.listen {
        ListenSpec::Tcp { addr, .. } => addr.ip().to_canonical().is_loopback(),
        ListenSpec::Unix(_) => true,
    };
    let mut text = match (upstream_local, listener_local) {
        (false, _) if via.is_some() => {
            "The gateway is dialled through a proxy: it sees every client at that proxy's address, \
             and as a remote one unless the proxy runs on the gateway's machine and dials it over \
             loopback."
        }
        (true, true) => {
            "The gateway is dialled over loopback and only this machine can connect: clients stay \
             local to it, as without wstap."
        }
        (true, false) => {
            "CAREFUL: other machines can connect here, and the gateway is dialled over loopback: \
             it takes every one of them for a local client. It pairs their devices silently, keeps \
             their scopes and never locks them out, so a pairing refusal that exists without wstap \
             is hidden."
        }
        (false, _) => {
            "The gateway is not dialled over loopback: it sees every client as a remote one at \
             this machine's address, also those it would call local without wstap. They then need \
             pairing, and lose their scopes without a device."
        }
    }
    .to_owned();
    text.push_str(
        " All clients share one address: one bucket for failed log-ins and one budget of 32 \
         connections that have not logged in.",
    );
    match route.edits.forwarded {
        None if route.edits.is_empty() => {
            text.push_str(" No header is added, removed or rewritten.");
        }
        None => {
            text.push_str(" Request headers are changed as --set-header and --remove-header ask.");
        }
        Some(Forwarded::Append | Forwarded::Replace) => text.push_str(
            " --forwarded adds X-Forwarded headers: a gateway answers 403 to every upgrade unless \
             gateway.trustedProxies lists this machine, and takes clients for remote ones then.",
        ),
    }
    if route.tls.is_some() {
        text.push_str(
            " TLS ends here: a client that pins the gateway's certificate will refuse ours.",
        );
    }
    text
}
