//! The origin check of a connect: after the 101, by exact match, never by pattern.
use std::net::IpAddr;

/// Why an origin is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    MissingOrInvalid,
    NotAllowed,
}

impl Refused {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::MissingOrInvalid => "origin missing or invalid",
            Self::NotAllowed => "origin not allowed",
        }
    }
}

pub(super) fn check(
    origin: Option<&str>,
    host: Option<&str>,
    allowed: &[String],
    local: bool,
) -> Result<(), Refused> {
    let origin = origin.unwrap_or_default().trim().to_ascii_lowercase();
    let authority = authority(&origin).ok_or(Refused::MissingOrInvalid)?;
    if allowed.iter().any(|entry| entry == "*" || entry.eq_ignore_ascii_case(&origin)) {
        return Ok(());
    }
    let name = host_name(authority);
    let same_origin = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    if same_origin && is_private(name) && (local || !is_loopback(name)) {
        return Ok(());
    }
    if local && is_loopback(name) {
        return Ok(());
    }
    Err(Refused::NotAllowed)
}

/// Whether a page was served under the same host it now connects to.
pub(super) fn same_host(origin: Option<&str>, host: Option<&str>) -> bool {
    origin
        .and_then(authority)
        .zip(host)
        .is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

fn authority(origin: &str) -> Option<&str> {
    let (scheme, rest) = origin.split_once("://")?;
    let usable = !scheme.is_empty() && !rest.is_empty() && !rest.contains(['/', '?', '#', '@']);
    usable.then_some(rest)
}

fn host_name(authority: &str) -> &str {
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or(bracketed);
    }
    authority.split(':').next().unwrap_or(authority)
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_private(name: &str) -> bool {
    let private_ip = match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => false,
    };
    let local_suffix = [".local", ".ts.net"].iter().any(|suffix| name.ends_with(suffix));
    private_ip || is_loopback(name) || local_suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_decide_as_documented() {
        let allowed = vec!["https://ui.example.com".to_owned()];
        let rows = [
            (None, "h", true, Err(Refused::MissingOrInvalid)),
            (Some("null"), "h", true, Err(Refused::MissingOrInvalid)),
            (Some("https://UI.example.com"), "h", false, Ok(())),
            (Some("https://ui.example.com:8443"), "h", true, Err(Refused::NotAllowed)),
            (Some("http://localhost:5173"), "127.0.0.1:1", true, Ok(())),
            (Some("http://[::1]:5173"), "127.0.0.1:1", true, Ok(())),
            (Some("http://localhost:5173"), "127.0.0.1:1", false, Err(Refused::NotAllowed)),
            (Some("http://127.0.0.1:9"), "127.0.0.1:9", false, Err(Refused::NotAllowed)),
            (Some("http://192.168.1.10:9"), "192.168.1.10:9", false, Ok(())),
            (Some("http://192.168.1.10:9"), "127.0.0.1:9", true, Err(Refused::NotAllowed)),
            (Some("https://gw.example"), "gw.example", false, Err(Refused::NotAllowed)),
        ];
        for (origin, host, local, expected) in rows {
            assert_eq!(
                check(origin, Some(host), &allowed, local),
                expected,
                "{origin:?} {host} {local}"
            );
        }
    }
}
