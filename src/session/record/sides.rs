//! The two legs and the two heads of a session, with the values that people look for taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::session::{
    Change, Dial, Head, Offset, ProxyHeader, Started, TcpSample, TlsFacts, TlsRecords,
};
use crate::websocket;

/// The leg between the client and wstap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientSide {
    /// Address of the peer; `unix` for a Unix socket.
    pub addr: String,
    /// Our address on this leg.
    pub local: String,
    pub listener: String,
    /// Requests on this connection before this one.
    pub earlier_requests: u32,
    pub proxy_header: Option<ProxyHeader>,
    pub tls: Option<TlsFacts>,
    /// Why TLS was not established.
    pub tls_error: Option<String>,
    pub tcp: Vec<TcpSample>,
    /// TLS records read and written.
    pub tls_records: Option<[TlsRecords; 2]>,
}

impl ClientSide {
    pub(super) fn start(&mut self, started: &Started) {
        self.addr.clone_from(&started.client);
        self.local.clone_from(&started.local);
        self.listener.clone_from(&started.listener);
        self.earlier_requests = started.earlier_requests;
        self.proxy_header.clone_from(&started.proxy_header);
    }
}

/// The leg between wstap and what it dialled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpstreamSide {
    /// Names, addresses, times and failure of the dial; absent when nothing was dialled.
    #[serde(flatten)]
    pub dial: Option<Dial>,
    pub tls: Option<TlsFacts>,
    pub tcp: Vec<TcpSample>,
    /// TLS records read and written.
    pub tls_records: Option<[TlsRecords; 2]>,
}

/// The request head and its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestFacts {
    pub at: Offset,
    pub method: String,
    pub target: String,
    pub upgrade: Option<String>,
    pub connection: Option<String>,
    pub host: Option<String>,
    pub origin: Option<String>,
    pub user_agent: Option<String>,
    pub sec_websocket_key: Option<String>,
    pub sec_websocket_version: Option<String>,
    pub sec_websocket_protocol: Option<String>,
    pub sec_websocket_extensions: Option<String>,
    /// Every header that tells of proxies before us: Forwarded, Via, X-Forwarded-*, X-Real-IP.
    pub forwarding: BTreeMap<String, String>,
    /// What an option changed on the way to the upstream.
    pub changes: Vec<Change>,
    pub head: Head,
}

impl RequestFacts {
    pub(super) fn of(head: &Head, changes: &[Change], at: Offset) -> Self {
        let mut words = head.start_line().split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let value = |name| head.header_joined(name);
        Self {
            at,
            method,
            target,
            upgrade: value("upgrade"),
            connection: value("connection"),
            host: value("host"),
            origin: value("origin"),
            user_agent: value("user-agent"),
            sec_websocket_key: value("sec-websocket-key"),
            sec_websocket_version: value("sec-websocket-version"),
            sec_websocket_protocol: value("sec-websocket-protocol"),
            sec_websocket_extensions: value("sec-websocket-extensions"),
            forwarding: forwarding(head),
            changes: changes.to_vec(),
            head: head.clone(),
        }
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }
}

fn forwarding(head: &Head) -> BTreeMap<String, String> {
    let tells = |name: &str| {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "forwarded" | "via" | "x-real-ip")
            || name.starts_with("x-forwarded-")
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in head.headers().filter(|(name, _)| tells(name)) {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    found
}

/// The response head and its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseFacts {
    pub at: Offset,
    /// Absent when the first line is not an HTTP status line.
    pub status: Option<u16>,
    pub reason: Option<String>,
    pub upgrade: Option<String>,
    pub connection: Option<String>,
    pub server: Option<String>,
    pub via: Option<String>,
    pub location: Option<String>,
    pub content_type: Option<String>,
    pub www_authenticate: Option<String>,
    pub retry_after: Option<String>,
    pub sec_websocket_accept: Option<String>,
    /// Whether Sec-WebSocket-Accept fits the request's key (RFC 6455 §4.2.2); null without 101.
    pub accept_ok: Option<bool>,
    /// The subprotocol in use.
    pub subprotocol: Option<String>,
    /// The extensions in use.
    pub extensions: Option<String>,
    /// Interim statuses before this one.
    pub interim: Vec<u16>,
    /// The beginning of the body, for refused upgrades.
    pub body: Option<String>,
    pub body_bytes: Option<u64>,
    pub head: Head,
}

impl ResponseFacts {
    pub(super) fn of(head: &Head, interim: &[u16], key: Option<&str>, at: Offset) -> Self {
        let value = |name| head.header_joined(name);
        // An empty one names nobody and nothing.
        let named = |name| value(name).filter(|value: &String| !value.trim().is_empty());
        let mut words = head.start_line().splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().filter(|_| version.starts_with("HTTP/"));
        let status = status.and_then(|code| code.parse().ok());
        let accept = value("sec-websocket-accept");
        let accept_ok = (status == Some(101))
            .then(|| key.map(|key| accept.as_deref() == Some(&websocket::accept_for(key))))
            .flatten();
        Self {
            at,
            status,
            reason: words.next().map(str::to_owned),
            upgrade: value("upgrade"),
            connection: value("connection"),
            server: named("server"),
            via: named("via"),
            location: named("location"),
            content_type: value("content-type"),
            www_authenticate: value("www-authenticate"),
            retry_after: named("retry-after"),
            sec_websocket_accept: accept,
            accept_ok,
            subprotocol: value("sec-websocket-protocol"),
            extensions: value("sec-websocket-extensions"),
            interim: interim.to_vec(),
            body: None,
            body_bytes: None,
            head: head.clone(),
        }
    }
}
