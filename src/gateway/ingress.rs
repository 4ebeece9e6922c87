//! Who a request comes from: a client on this host, a remote one, or nobody can tell.
use std::net::IpAddr;

use super::policy::Policy;

/// Where a request came from, decided once per request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ingress {
    Local,
    Remote(IpAddr),
    /// Forwarded headers that cannot be believed.
    Unattributable,
}

impl Ingress {
    pub(super) fn is_local(self) -> bool {
        self == Self::Local
    }
}

/// Only the names of forwarded headers count, unless the peer is a trusted proxy.
pub(super) fn attribute(peer: IpAddr, headers: &[(String, String)], policy: &Policy) -> Ingress {
    let forwarded = headers.iter().any(|(name, _)| is_forwarding(name));
    if peer.is_loopback() && !forwarded {
        return Ingress::Local;
    }
    if policy.trusted_proxies.contains(&peer) {
        return match last_foreign_hop(headers, &policy.trusted_proxies) {
            Some(address) => Ingress::Remote(address),
            None => Ingress::Unattributable,
        };
    }
    if forwarded { Ingress::Unattributable } else { Ingress::Remote(peer) }
}

fn is_forwarding(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "forwarded"
        || name == "x-real-ip"
        || name.starts_with("x-forwarded-")
        || name.starts_with("tailscale-")
}

fn last_foreign_hop(headers: &[(String, String)], trusted: &[IpAddr]) -> Option<IpAddr> {
    let chain: Vec<&str> = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"))
        .flat_map(|(_, value)| value.split(','))
        .collect();
    chain
        .iter()
        .rev()
        .filter_map(|hop| hop.trim().parse::<IpAddr>().ok())
        .find(|hop| !hop.is_loopback() && !trusted.contains(hop))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributed(header: Option<(&str, &str)>, trusted: &[&str]) -> Ingress {
        let mut policy = Policy::token("t");
        policy.trusted_proxies = trusted.iter().map(|ip| ip.parse().unwrap()).collect();
        let headers: Vec<_> =
            header.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
        attribute("127.0.0.1".parse().unwrap(), &headers, &policy)
    }

    #[test]
    fn forwarded_headers_decide_as_recorded() {
        let remote = Ingress::Remote("203.0.113.7".parse().unwrap());
        let xff = |value| Some(("X-Forwarded-For", value));
        assert_eq!(attributed(None, &[]), Ingress::Local);
        assert_eq!(attributed(None, &["127.0.0.1"]), Ingress::Local);
        assert_eq!(attributed(Some(("Via", "1.1 x")), &[]), Ingress::Local);
        assert_eq!(attributed(xff("203.0.113.7"), &[]), Ingress::Unattributable);
        assert_eq!(attributed(xff("203.0.113.7"), &["127.0.0.1"]), remote);
        assert_eq!(attributed(xff("127.0.0.1"), &["127.0.0.1"]), Ingress::Unattributable);
        assert_eq!(attributed(Some(("Forwarded", "for=127.0.0.1")), &[]), Ingress::Unattributable);
    }
}
