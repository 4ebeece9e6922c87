//! The origin check of `connect`: after the 101, by exact match, never by pattern.

use std::net::IpAddr;

/// What the gateway's configuration says of origins.
#[derive(Clone, Copy, Debug, Default)]
pub struct OriginPolicy<'a> {
    /// `gateway.controlUi.allowedOrigins`.
    pub allowed: &'a [String],
    /// `gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback`.
    pub host_fallback: bool,
}

/// Which rule decided; the first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Absent, `null`, or not an origin.
    Unusable,
    /// The entry `*`.
    Wildcard,
    /// The entry with this number.
    Listed(usize),
    HostFallback,
    /// The page was served under the Host it connects to, and that is private.
    PrivateSameOrigin,
    /// A page of this machine, to a client on it.
    LocalLoopback,
    NotAllowed,
}

impl Ruling {
    pub const fn allows(self) -> bool {
        match self {
            Self::Wildcard
            | Self::Listed(_)
            | Self::HostFallback
            | Self::PrivateSameOrigin
            | Self::LocalLoopback => true,
            Self::Unusable | Self::NotAllowed => false,
        }
    }

    /// The gateway's word for a refusal; empty when it allows.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::Unusable => "origin missing or invalid",
            Self::NotAllowed => "origin not allowed",
            Self::Wildcard
            | Self::Listed(_)
            | Self::HostFallback
            | Self::PrivateSameOrigin
            | Self::LocalLoopback => "",
        }
    }
}

/// An origin taken apart as the gateway does (by the URL standard), all in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Scheme, host and port; the scheme's own port left out.
    pub text: String,
    pub scheme: String,
    /// Host and port.
    pub host: String,
    /// Without brackets.
    pub name: String,
}

impl Origin {
    /// `None` for what the gateway calls missing or invalid. One slash at the end is let pass.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(good) {
            return None;
        }
        if rest.is_empty()
            || rest.contains(['/', '?', '#', '\\', '@', ' ', '<', '>', '^', '|', '%', '*'])
        {
            return None;
        }
        let (name, port) = split_port(rest)?;
        let host = match port {
            Some(port) if default_port(scheme) != Some(port) => format!("{name}:{port}"),
            Some(_) | None => name.to_owned(),
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self {
            text: format!("{scheme}://{host}"),
            scheme: scheme.to_owned(),
            host,
            name: bare,
        })
    }
}

/// `None` for a port that is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end_of_name = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[end_of_name..].find(':') else {
        return Some((authority, None));
    };
    let (name, port) = authority.split_at(end_of_name + colon);
    let port = &port[1..];
    if name.is_empty() {
        return None;
    }
    if port.is_empty() { Some((name, None)) } else { Some((name, Some(port.parse().ok()?))) }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Decides as the gateway does. `local`: whether it takes the client for one of its own machine.
pub fn rule(
    origin: Option<&str>,
    host: Option<&str>,
    policy: OriginPolicy<'_>,
    local: bool,
) -> Ruling {
    let Some(origin) = origin.and_then(Origin::parse) else { return Ruling::Unusable };
    let entries = || policy.allowed.iter().map(|entry| entry.trim());
    if entries().any(|entry| entry == "*") {
        return Ruling::Wildcard;
    }
    if let Some(at) = entries().position(|entry| entry.eq_ignore_ascii_case(&origin.text)) {
        return Ruling::Listed(at);
    }
    let host = host.map(|host| host.trim().to_ascii_lowercase()).unwrap_or_default();
    let same = !host.is_empty() && origin.host == host;
    if policy.host_fallback && same {
        return Ruling::HostFallback;
    }
    let loopback = is_loopback(&origin.name);
    if same && (if loopback { local } else { is_private(&origin.name) }) {
        return Ruling::PrivateSameOrigin;
    }
    if local && loopback { Ruling::LocalLoopback } else { Ruling::NotAllowed }
}

/// Whether a page was served under the same host it now connects to.
pub fn same_host(origin: Option<&str>, host: Option<&str>) -> bool {
    let origin = origin.and_then(Origin::parse);
    origin.zip(host).is_some_and(|(origin, host)| origin.host.eq_ignore_ascii_case(host.trim()))
}

/// Why an entry of the list can never match an Origin header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Never {
    pub why: &'static str,
    /// What would match, where that can be told.
    pub instead: Option<String>,
}

/// Whether an entry of `allowedOrigins` can never match. Entries are compared as they stand with
/// the origin as the gateway reads it.
pub fn never_matches(entry: &str) -> Option<Never> {
    let entry = entry.trim();
    let never = |why, instead: Option<String>| Some(Never { why, instead });
    if entry == "*" {
        return None;
    }
    if entry.is_empty() {
        return never("it is empty", None);
    }
    if entry.contains('*') {
        return never("it has a glob, and entries are compared literally", None);
    }
    let Some((scheme, rest)) = entry.split_once("://") else {
        return never("it has no scheme", Some(format!("https://{entry}")));
    };
    if let Some(at) = rest.find(['/', '?', '#']) {
        let why = if &rest[at..] == "/" {
            "it ends with a slash, and an origin has no path"
        } else {
            "it has a path, and an origin has none"
        };
        return never(why, Origin::parse(&format!("{scheme}://{}", &rest[..at])).map(|o| o.text));
    }
    match Origin::parse(entry) {
        None => never("it is no origin", None),
        Some(origin) if !origin.text.eq_ignore_ascii_case(entry) => {
            never("it names the scheme's own port, which no browser sends", Some(origin.text))
        }
        Some(_) => None,
    }
}

fn is_loopback(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn is_private(name: &str) -> bool {
    match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local() || is_shared(ip.octets()),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => [".local", ".ts.net"].iter().any(|suffix| name.ends_with(suffix)),
    }
}

/// RFC 6598: the addresses behind a carrier's NAT, which tailnets use too.
const fn is_shared([first, second, ..]: [u8; 4]) -> bool {
    first == 100 && second & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_decide_as_documented() {
        let allowed = vec!["https://ui.example.com".to_owned()];
        let policy = OriginPolicy { allowed: &allowed, host_fallback: false };
        let rows = [
            (None, "h", true, Ruling::Unusable),
            (Some("null"), "h", true, Ruling::Unusable),
            (Some("https://ui.example.com/path"), "h", true, Ruling::Unusable),
            (Some("https://UI.example.com"), "h", false, Ruling::Listed(0)),
            (Some("https://ui.example.com:443/"), "h", false, Ruling::Listed(0)),
            (Some("https://ui.example.com:8443"), "h", true, Ruling::NotAllowed),
            (Some("https://ui.example.com."), "h", true, Ruling::NotAllowed),
            (Some("http://localhost:5173"), "127.0.0.1:1", true, Ruling::LocalLoopback),
            (Some("http://[::1]:5173"), "127.0.0.1:1", true, Ruling::LocalLoopback),
            (Some("http://localhost:5173"), "127.0.0.1:1", false, Ruling::NotAllowed),
            (Some("http://127.0.0.1:9"), "127.0.0.1:9", false, Ruling::NotAllowed),
            (Some("http://127.0.0.1:9"), "127.0.0.1:9", true, Ruling::PrivateSameOrigin),
            (Some("http://192.168.1.10:9"), "192.168.1.10:9", false, Ruling::PrivateSameOrigin),
            (Some("http://192.168.1.10:9"), "127.0.0.1:9", true, Ruling::NotAllowed),
            (Some("https://gw.example"), "gw.example", false, Ruling::NotAllowed),
        ];
        for (origin, host, local, expected) in rows {
            let ruled = rule(origin, Some(host), policy, local);
            assert_eq!(ruled, expected, "{origin:?} {host} {local}");
        }
        let fallback = OriginPolicy { host_fallback: true, ..policy };
        let ruled = rule(Some("https://gw.example"), Some("gw.example"), fallback, false);
        assert_eq!(ruled, Ruling::HostFallback);
        let any = vec!["*".to_owned()];
        let any = OriginPolicy { allowed: &any, host_fallback: false };
        assert_eq!(rule(Some("http://x"), None, any, false), Ruling::Wildcard);
        assert_eq!(rule(Some("null"), None, any, false), Ruling::Unusable);
    }

    #[test]
    fn entries_that_never_match_are_told_from_good_ones() {
        for good in ["*", "https://a", "HTTPS://A.b:8443", "http://[::1]:9", " https://a "] {
            assert_eq!(never_matches(good), None, "{good}");
        }
        let rows = [
            ("https://a/", Some("https://a")),
            ("https://a/chat", Some("https://a")),
            ("https://*.a", None),
            ("a.example:8443", Some("https://a.example:8443")),
            ("https://a:443", Some("https://a")),
            ("http://a:80", Some("http://a")),
            ("", None),
            ("https://a:99999", None),
        ];
        for (entry, instead) in rows {
            let never = never_matches(entry).unwrap();
            assert_eq!(never.instead.as_deref(), instead, "{entry}");
        }
    }
}
