//! Heads before and after the proxy, header by header. Pure.

use std::collections::BTreeSet;

use super::deviation::{Deviation, Severity};
use super::head::{TOKEN, has_word};
use crate::session::Head;
use crate::websocket::accept_for;

/// A header whose loss or change breaks handshakes.
struct Vital {
    name: &'static str,
    slug: &'static str,
    severity: Severity,
    says: &'static str,
}

const REQUEST: &[Vital] = &[
    Vital {
        name: "Host",
        slug: "request.host_changed",
        severity: Severity::Fault,
        says: "Host is not what the client asked for, so a check of Origin against Host fails",
    },
    Vital {
        name: "Origin",
        slug: "request.origin_changed",
        severity: Severity::Fault,
        says: "Origin did not arrive as the browser sent it: an origin check fails",
    },
    Vital {
        name: "Sec-WebSocket-Key",
        slug: "request.key_changed",
        severity: Severity::Fault,
        says: "without the client's key no server can prove that it speaks WebSocket",
    },
    Vital {
        name: "Sec-WebSocket-Version",
        slug: "request.version_changed",
        severity: Severity::Fault,
        says: "servers refuse any version but 13",
    },
    Vital {
        name: "Sec-WebSocket-Protocol",
        slug: "request.subprotocol_changed",
        severity: Severity::Fault,
        says: "the subprotocols that the client offers do not arrive",
    },
    Vital {
        name: "Sec-WebSocket-Extensions",
        slug: "request.compression_changed",
        severity: Severity::Warning,
        says: "the client's offer of compression does not arrive as it was made",
    },
];

const RESPONSE: &[Vital] = &[
    Vital {
        name: "Sec-WebSocket-Protocol",
        slug: "response.subprotocol_changed",
        severity: Severity::Fault,
        says: "the client does not learn the subprotocol in use, and browsers fail the connection",
    },
    Vital {
        name: "Sec-WebSocket-Extensions",
        slug: "response.compression_changed",
        severity: Severity::Fault,
        says: "only one side knows of the compression: its frames fail with 1002",
    },
];

/// What became of a request head on its way.
pub(super) fn request(sent: &Head, arrived: &Head) -> Vec<Deviation> {
    let mut found = start_line(sent, arrived);
    found.extend(hop_by_hop(sent, arrived, "request"));
    found.extend(REQUEST.iter().filter_map(|vital| vital.compare(sent, arrived)));
    let known: Vec<&str> =
        REQUEST.iter().map(|vital| vital.name).chain(["Upgrade", "Connection"]).collect();
    found.extend(others(sent, arrived, &known, "request"));
    found.extend(form(sent, arrived, "request"));
    found
}

/// What became of a 101 on its way; `asked` is the request of the client that receives it.
pub(super) fn response(sent: &Head, arrived: &Head, asked: &Head) -> Vec<Deviation> {
    let mut found: Vec<Deviation> = hop_by_hop(sent, arrived, "response");
    let key = asked.header("sec-websocket-key").unwrap_or_default();
    let accept = arrived.header_joined("sec-websocket-accept");
    if accept.as_deref() != Some(&*accept_for(key)) {
        let says =
            "Sec-WebSocket-Accept does not fit the client's key: clients fail the connection";
        found.push(Deviation::fault("response.accept_wrong", says).between(
            line("Sec-WebSocket-Accept", Some(&accept_for(key))),
            line("Sec-WebSocket-Accept", accept.as_deref()),
        ));
    }
    found.extend(RESPONSE.iter().filter_map(|vital| vital.compare(sent, arrived)));
    let known: Vec<&str> = RESPONSE
        .iter()
        .map(|vital| vital.name)
        .chain(["Upgrade", "Connection", "Sec-WebSocket-Accept"])
        .collect();
    found.extend(others(sent, arrived, &known, "response"));
    found.extend(form(sent, arrived, "response"));
    found
}

impl Vital {
    fn compare(&self, sent: &Head, arrived: &Head) -> Option<Deviation> {
        let (before, after) = (values(sent, self.name), values(arrived, self.name));
        if joined(&before) == joined(&after) {
            return None;
        }
        let deviation = match self.severity {
            Severity::Info => Deviation::info(self.slug, self.says),
            Severity::Warning => Deviation::warning(self.slug, self.says),
            Severity::Fault => Deviation::fault(self.slug, self.says),
        };
        Some(deviation.between(lines(self.name, &before), lines(self.name, &after)))
    }
}

fn start_line(sent: &Head, arrived: &Head) -> Vec<Deviation> {
    let mut found = Vec::new();
    let words =
        |head: &Head| -> Vec<String> { head.start_line().split(' ').map(str::to_owned).collect() };
    let (before, after) = (words(sent), words(arrived));
    let between = |deviation: Deviation| deviation.between(sent.start_line(), arrived.start_line());
    if before.get(2) != after.get(2) {
        let says = "the proxy speaks an older HTTP to the upstream, which knows no Upgrade";
        found.push(between(Deviation::fault("request.http_version", says)));
    }
    if before.get(1) != after.get(1) {
        let says = "the path or query is another one at the upstream";
        found.push(between(Deviation::warning("request.target_changed", says)));
    }
    if before.first() != after.first() {
        let says = "the method is another one at the upstream";
        found.push(between(Deviation::fault("request.method_changed", says)));
    }
    found
}

/// Upgrade and Connection, which a proxy has to renew for the next hop (RFC 9110 §7.6.1).
fn hop_by_hop(sent: &Head, arrived: &Head, which: &str) -> Vec<Deviation> {
    let request = which == "request";
    let (upgrade, connection) = if request {
        ("request.upgrade_lost", "request.connection_lost")
    } else {
        ("response.upgrade_lost", "response.connection_lost")
    };
    let of = |name, word, slug, says| {
        (!has_word(arrived, name, word)).then(|| {
            Deviation::fault(slug, says)
                .between(lines(name, &values(sent, name)), lines(name, &values(arrived, name)))
        })
    };
    let to = if request {
        "the upstream takes it for a plain request"
    } else {
        "clients fail the connection"
    };
    [
        of("Upgrade", "websocket", upgrade, format!("Upgrade does not arrive: {to}")),
        of("Connection", "upgrade", connection, format!("Connection does not say Upgrade: {to}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every other header: lost, changed, merged, added.
fn others(sent: &Head, arrived: &Head, known: &[&str], which: &str) -> Vec<Deviation> {
    let [lost, changed, merged, added, forwarded] = if which == "request" {
        [
            "request.header_lost",
            "request.header_changed",
            "request.duplicates_merged",
            "request.header_added",
            "request.forwarded_added",
        ]
    } else {
        [
            "response.header_lost",
            "response.header_changed",
            "response.duplicates_merged",
            "response.header_added",
            "response.forwarded_added",
        ]
    };
    let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    let names = |head: &Head| -> BTreeSet<String> {
        head.headers().map(|(name, _)| name.to_ascii_lowercase()).collect()
    };
    let (before, after) = (names(sent), names(arrived));
    let mut found = Vec::new();
    for name in before.iter().filter(|name| !is_known(name)) {
        let (was, is) = (values(sent, name), values(arrived, name));
        let deviation = if was == is {
            continue;
        } else if is.is_empty() {
            Deviation::warning(lost, "a header of the application does not arrive")
        } else if name == "server" {
            Deviation::info(changed, "the proxy names itself as the server")
        } else if joined(&was) == joined(&is) {
            Deviation::info(merged, "headers of one name arrive as one line")
        } else if is_forwarding(name) {
            Deviation::info(forwarded, "the proxy adds its own to what tells of proxies")
        } else {
            Deviation::warning(changed, "a header of the application arrives with another value")
        };
        found.push(deviation.between(lines(name, &was), lines(name, &is)));
    }
    for name in after.difference(&before).filter(|name| !is_known(name)) {
        let deviation = if is_forwarding(name) {
            let says = "the upstream is told of the proxy; an OpenClaw gateway refuses that unless \
                        gateway.trustedProxies has the proxy's address";
            Deviation::info(
                forwarded,
                if which == "request" { says } else { "the proxy names itself" },
            )
        } else {
            Deviation::info(added, "a header that was not sent")
        };
        found.push(deviation.between("-", lines(name, &values(arrived, name))));
    }
    found
}

/// Order and case, which no recipient may rely on, and vital headers that came twice.
fn form(sent: &Head, arrived: &Head, which: &str) -> Vec<Deviation> {
    let [order, case, twice] = if which == "request" {
        ["request.order_changed", "request.case_changed", "request.header_duplicated"]
    } else {
        ["response.order_changed", "response.case_changed", "response.header_duplicated"]
    };
    let mut found = Vec::new();
    let names = |head: &Head, other: &Head| -> Vec<String> {
        let there = head.headers().map(|(name, _)| name).filter(|n| other.header(n).is_some());
        there.map(str::to_owned).collect()
    };
    let (before, after) = (names(sent, arrived), names(arrived, sent));
    let lower = |names: &[String]| -> Vec<String> {
        let mut seen = BTreeSet::new();
        let lower = names.iter().map(|name| name.to_ascii_lowercase());
        lower.filter(|name| seen.insert(name.clone())).collect()
    };
    if lower(&before) != lower(&after) {
        let deviation = Deviation::info(order, "headers arrive in another order");
        found.push(deviation.between(lower(&before).join(", "), lower(&after).join(", ")));
    }
    let other_case: Vec<&str> =
        after.iter().filter(|name| !before.contains(name)).map(String::as_str).collect();
    if !other_case.is_empty() {
        let deviation = Deviation::info(case, "names of headers arrive in another case");
        found.push(deviation.between(before.join(", "), other_case.join(", ")));
    }
    for name in [
        "Host",
        "Upgrade",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Accept",
    ] {
        let after = values(arrived, name);
        if after.len() > values(sent, name).len().max(1) {
            let says = "a header that may stand only once arrives more than once";
            let before = lines(name, &values(sent, name));
            found.push(Deviation::warning(twice, says).between(before, lines(name, &after)));
        }
    }
    found
}

fn is_forwarding(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip" | "x-request-id")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-envoy-")
}

fn values(head: &Head, name: &str) -> Vec<String> {
    let of = head.headers().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    // An empty value says as little as no header.
    of.map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty()).collect()
}

fn joined(values: &[String]) -> String {
    let all = values.iter().flat_map(|value| value.split(','));
    all.map(str::trim).collect::<Vec<_>>().join(", ")
}

fn line(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{name}: {value}"))
}

fn lines(name: &str, values: &[String]) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let name = if name.eq_ignore_ascii_case(TOKEN) { TOKEN } else { name };
    values.iter().map(|value| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::head::{pair, written};
    use super::*;

    fn asked() -> Head {
        let headers = [
            pair("Host", "front.test:8080"),
            pair("Upgrade", "websocket"),
            pair("Connection", "Upgrade"),
            pair("Origin", "http://front.test:8080"),
            pair("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            pair("X-Dup", "a"),
            pair("X-Dup", "b"),
        ];
        written("GET /x HTTP/1.1", &headers)
    }

    fn slugs(arrived: &str) -> Vec<(&'static str, Severity)> {
        let arrived = super::super::head::latin1(arrived.replace('\n', "\r\n").as_bytes());
        request(&asked(), &arrived).iter().map(|found| (found.slug, found.severity)).collect()
    }

    #[test]
    fn what_passed_unchanged_is_no_deviation() {
        assert!(request(&asked(), &asked()).is_empty());
    }

    #[test]
    fn each_change_of_a_request_has_its_name() {
        let head = "GET /y HTTP/1.0\nhost: front.test\nConnection: close\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nX-Dup: a, b\nX-Forwarded-For: 1\n\n";
        let found = slugs(head);
        let expected = [
            ("request.http_version", Severity::Fault),
            ("request.target_changed", Severity::Warning),
            ("request.upgrade_lost", Severity::Fault),
            ("request.connection_lost", Severity::Fault),
            ("request.host_changed", Severity::Fault),
            ("request.origin_changed", Severity::Fault),
            ("request.duplicates_merged", Severity::Info),
            ("request.forwarded_added", Severity::Info),
            ("request.case_changed", Severity::Info),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_faked_accept_is_seen() {
        let answer = super::super::head::switching(&asked(), &[]);
        assert!(response(&answer, &answer, &asked()).is_empty());
        let mut faked = answer.clone();
        faked.raw = faked.raw.replace("Accept: s3", "Accept: S3");
        let found = response(&answer, &faked, &asked());
        assert_eq!(found.iter().map(|d| d.slug).collect::<Vec<_>>(), ["response.accept_wrong"]);
    }
}
