//! What a proxy says when it starts: where it listens, what it dials, and a line to try.

use crate::proxy::Bound;

/// The first lines.
pub(super) fn text(bound: &[Bound], store: &str, no_redact: bool) -> Vec<String> {
    let mut lines = vec![format!("wstap {}", env!("CARGO_PKG_VERSION"))];
    for bound in bound {
        lines.push(listening(bound));
    }
    lines.push(format!("store      {store}"));
    if let Some(first) = bound.first() {
        lines.push(format!("try        {}", a_line_to_try(first)));
    }
    for bound in bound {
        lines.push(format!("place      {}", bound.place));
    }
    if no_redact {
        lines.push(
            "WARNING    --no-redact: tokens, passwords and cookies go into the store in clear"
                .to_owned(),
        );
    }
    lines
}

pub(super) fn listening(bound: &Bound) -> String {
    format!("listening  {}  ->  {}", bound.name, bound.upstream)
}

fn a_line_to_try(bound: &Bound) -> String {
    match bound.addr {
        Some(addr) if bound.tls => {
            format!("openclaw gateway call health --url wss://{addr} --token TOKEN")
        }
        Some(addr) if addr.ip().is_loopback() || addr.ip().is_unspecified() => {
            format!("OPENCLAW_GATEWAY_PORT={} openclaw gateway call health", addr.port())
        }
        Some(addr) => format!("openclaw gateway call health --url ws://{addr} --token TOKEN"),
        None => {
            let path = bound.name.strip_prefix("unix:").unwrap_or(&bound.name);
            format!("curl --unix-socket {path} http://localhost/healthz")
        }
    }
}
