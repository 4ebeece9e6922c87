//! Which proxy it is, by what it says of itself and by how it writes. Pure.

use serde::Serialize;

use super::rig::Heads;
use crate::session::Head;

/// Proxies whose directives are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proxy {
    Nginx,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
    Apache,
}

/// A proxy, and what gave it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recognised {
    pub proxy: Proxy,
    pub by: String,
}

impl Proxy {
    pub const ALL: [Self; 6] =
        [Self::Nginx, Self::Caddy, Self::Haproxy, Self::Traefik, Self::Envoy, Self::Apache];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
            Self::Apache => "Apache",
        }
    }

    const fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx", "openresty", "angie"],
            Self::Caddy => &["caddy"],
            Self::Haproxy => &["haproxy"],
            Self::Traefik => &["traefik"],
            Self::Envoy => &["envoy"],
            Self::Apache => &["apache"],
        }
    }
}

/// Looks for a name in heads that the proxy wrote, then for its manner.
pub(super) fn recognise(
    heads: &[&Heads],
    own_answer: Option<&(Head, String)>,
    page: &str,
) -> Option<Recognised> {
    let by_name = |head: &Head, whose: &str| {
        ["server", "via", "x-forwarded-server"].iter().find_map(|name| {
            let value = head.header_joined(name)?;
            let proxy = named(&value)?;
            Some(Recognised { proxy, by: format!("`{name}: {value}` in {whose}") })
        })
    };
    let received = || heads.iter().filter_map(|heads| heads.received.as_ref());
    let arrived = || heads.iter().filter_map(|heads| heads.arrived.as_ref());
    received()
        .find_map(|head| by_name(head, "its answers"))
        .or_else(|| arrived().find_map(|head| by_name(head, "the upstream's requests")))
        .or_else(|| {
            let (head, body) = own_answer?;
            by_name(head, "its answer to a bad request").or_else(|| by_page(body))
        })
        .or_else(|| by_page(page))
        .or_else(|| arrived().find_map(by_manner))
}

fn named(value: &str) -> Option<Proxy> {
    let value = value.to_ascii_lowercase();
    Proxy::ALL.into_iter().find(|proxy| proxy.marks().iter().any(|mark| value.contains(mark)))
}

fn by_page(body: &str) -> Option<Recognised> {
    const PAGES: [(&str, Proxy); 5] = [
        ("Your browser sent an invalid request.", Proxy::Haproxy),
        ("No server is available to handle this request.", Proxy::Haproxy),
        ("Request forbidden by administrative rules.", Proxy::Haproxy),
        ("<center>nginx", Proxy::Nginx),
        ("Your browser sent a request that this server could not understand", Proxy::Apache),
    ];
    let (words, proxy) = PAGES.into_iter().find(|(words, _)| body.contains(words))?;
    Some(Recognised { proxy, by: format!("{words:?} on a page of its own") })
}

fn by_manner(arrived: &Head) -> Option<Recognised> {
    let has = |name| arrived.header(name).is_some();
    let found = |proxy, by: &str| Some(Recognised { proxy, by: by.to_owned() });
    if arrived.headers().any(|(name, _)| name.to_ascii_lowercase().starts_with("x-envoy-")) {
        return found(Proxy::Envoy, "X-Envoy-* headers that it adds");
    }
    if has("x-forwarded-server") && has("x-real-ip") && has("x-forwarded-port") {
        return found(Proxy::Traefik, "the X-Forwarded-* headers that it adds");
    }
    if has("x-forwarded-server") && has("x-forwarded-host") {
        return found(Proxy::Apache, "the X-Forwarded-* headers that it adds");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::head::latin1;
    use super::*;

    #[test]
    fn names_pages_and_manners_are_known() {
        let heads = |received: &str, arrived: &str| Heads {
            asked: latin1(b""),
            arrived: Some(latin1(arrived.as_bytes())),
            answered: None,
            received: Some(latin1(received.as_bytes())),
        };
        let of = |heads: &Heads, page: &str| {
            let page = (latin1(b"HTTP/1.1 400 Bad\r\n\r\n"), page.to_owned());
            recognise(&[heads], Some(&page), "").map(|known| known.proxy)
        };
        let plain = heads("HTTP/1.1 101 x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n");
        let said =
            heads("HTTP/1.1 101 x\r\nServer: nginx/1.22.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n");
        let added = heads("", "GET / HTTP/1.1\r\nx-envoy-expected-rq-timeout-ms: 1\r\n\r\n");
        assert_eq!(of(&plain, ""), None);
        assert_eq!(of(&said, ""), Some(Proxy::Nginx));
        assert_eq!(of(&added, ""), Some(Proxy::Envoy));
        assert_eq!(of(&plain, "Your browser sent an invalid request."), Some(Proxy::Haproxy));
    }
}
