//! Where a check ran: a check in the wrong namespace proves nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use serde::Serialize;

/// The machine or container that a check ran in, as it sees itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    pub hostname: Option<String>,
    /// What tells that this is a container; absent when nothing does.
    pub container: Option<String>,
    /// Own addresses, loopback left out.
    pub addresses: Vec<IpAddr>,
    /// `nameserver` lines of resolv.conf.
    pub resolvers: Vec<String>,
    /// `search` of resolv.conf.
    pub search: Vec<String>,
    /// The default route, as `192.0.2.1 on eth0`.
    pub default_route: Option<String>,
}

impl Place {
    pub fn here() -> Self {
        let resolv = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let fib = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        let six = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        let mut addresses = local_addresses(&fib);
        addresses.extend(local_addresses_6(&six));
        addresses.extend(outgoing().filter(|ip| !addresses.contains(ip)));
        Self {
            hostname: fs::read_to_string("/proc/sys/kernel/hostname")
                .ok()
                .map(|name| name.trim().to_owned()),
            container: container(),
            addresses,
            resolvers: lines_of(&resolv, "nameserver"),
            search: lines_of(&resolv, "search"),
            default_route: default_route(&routes),
        }
    }

    /// One line.
    pub fn shown(&self) -> String {
        let mut parts = vec![self.hostname.clone().unwrap_or_else(|| "unknown host".to_owned())];
        parts.push(match &self.container {
            Some(what) => format!("in a container ({what})"),
            None => "no container".to_owned(),
        });
        let list = |items: &[String]| items.join(", ");
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        parts.push(format!("addresses {}", or_none(list(&addresses))));
        parts.push(format!("resolver {}", or_none(list(&self.resolvers))));
        let route = self.default_route.clone().unwrap_or_else(|| "none".to_owned());
        parts.push(format!("default route {route}"));
        parts.join("; ")
    }
}

fn container() -> Option<String> {
    for (file, what) in [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")] {
        if fs::exists(file).unwrap_or(false) {
            return Some(what.to_owned());
        }
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    let first = fs::read("/proc/1/environ").unwrap_or_default();
    let named = first.split(|byte| *byte == 0).find_map(|var| var.strip_prefix(b"container="));
    if let Some(name) = named {
        return Some(String::from_utf8_lossy(name).into_owned());
    }
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    let marks = ["docker", "kubepods", "containerd", "libpod", "lxc"];
    marks.iter().find(|mark| groups.contains(**mark)).map(|mark| (*mark).to_owned())
}

fn lines_of(text: &str, key: &str) -> Vec<String> {
    let values = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    values.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The row of /proc/net/route whose destination and mask are zero; numbers in host order.
fn default_route(table: &str) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (device, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let mask = fields.nth(4)?;
        if destination != "00000000" || mask != "00000000" {
            return None;
        }
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
        Some(if gateway.is_unspecified() {
            format!("on {device}")
        } else {
            format!("{gateway} on {device}")
        })
    })
}

/// `/32 host LOCAL` entries of the routing tree stand below the address that they belong to.
fn local_addresses(tree: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in tree.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL")
            && let Some(ip) = last.filter(|ip| !ip.is_loopback()).map(IpAddr::from)
            && !found.contains(&ip)
        {
            found.push(ip);
        }
    }
    found
}

fn local_addresses_6(table: &str) -> Vec<IpAddr> {
    let digits = table.lines().filter_map(|line| line.split_whitespace().next());
    digits
        .filter_map(|digits| u128::from_str_radix(digits, 16).ok())
        .map(|bits| IpAddr::from(bits.to_be_bytes()))
        .filter(|ip| !ip.is_loopback())
        .collect()
}

/// The address that packets to elsewhere would carry; nothing is sent for it.
fn outgoing() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // RFC 5737: an address for documentation.
    socket.connect(SocketAddr::from(([192, 0, 2, 1], 9))).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n";
        let expected = if cfg!(target_endian = "little") { "172.17.0.1" } else { "1.0.17.172" };
        assert_eq!(default_route(table), Some(format!("{expected} on eth0")));
        let tree = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     \
                    |-- 172.17.0.2\n        /32 host LOCAL\n     |-- 172.17.255.255\n        /32 \
                    link BROADCAST\n";
        assert_eq!(local_addresses(tree), ["172.17.0.2".parse::<IpAddr>().unwrap()]);
        let six = "fe800000000000000000000000000001 02 40 20 80 eth0\n";
        assert_eq!(local_addresses_6(six), ["fe80::1".parse::<IpAddr>().unwrap()]);
        let resolv = "search a.b c\n# x\nnameserver 127.0.0.11\n";
        assert_eq!(lines_of(resolv, "nameserver"), ["127.0.0.11"]);
        assert_eq!(lines_of(resolv, "search"), ["a.b", "c"]);
        assert!(Place::here().hostname.is_some());
    }
}
