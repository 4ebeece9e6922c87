//! caddy, which forwards the client's address unless told otherwise.

use crate::client::Client;
use crate::front::Program;
use crate::row::{Row, Upstream, play_all};
use crate::says;

const HEADERS: &str = "    header_up -X-Forwarded-*\n";
const SITE: &str = "http://127.0.0.1:@P@ {\n";

#[test]
fn rows() {
    play_all(Program::Caddy, ROWS);
}

const ROWS: &[Row] = &[
    Row {
        name: "baseline",
        front_first: "kind=websocket status=101 host=front origin=http://front close=client:- xff=-",
        tap_first: "kind=websocket status=101 host=tap origin=http://tap close=client:-",
        ..Row::BASE
    },
    Row {
        name: "X-Forwarded-For that the gateway does not trust",
        change: &[(HEADERS, "")],
        sees: "HTTP/1.1 403 Forbidden",
        front_first: "kind=websocket status=403 xff=127.0.0.1 own=0",
        tap_first: "kind=websocket status=403 xff=- own=0",
        front_says: says::UNTRUSTED,
        tap_says: says::UNTRUSTED,
        ..Row::BASE
    },
    Row {
        name: "Upgrade removed",
        change: &[(HEADERS, "    header_up -X-Forwarded-*\n    header_up -Upgrade\n")],
        sees: "HTTP/1.1 200 OK",
        front_first: "kind=websocket status=200 upgrade=-",
        tap_first: "kind=websocket status=200 upgrade=websocket",
        front_says: says::STRIPPED_BEFORE,
        tap_says: says::STRIPPED_BEHIND,
        ..Row::BASE
    },
    Row {
        name: "Host of the upstream",
        change: &[(
            HEADERS,
            "    header_up -X-Forwarded-*\n    header_up Host {upstream_hostport}\n",
        )],
        front_first: "status=101 host=tap origin=http://front",
        tap_first: "status=101 host=tap origin=http://tap",
        front_says: says::OTHER_HOST,
        ..Row::BASE
    },
    Row {
        name: "Origin removed",
        change: &[(HEADERS, "    header_up -X-Forwarded-*\n    header_up -Origin\n")],
        front_first: "status=101 host=front origin=-",
        tap_first: "status=101 origin=http://tap",
        ..Row::BASE
    },
    Row {
        name: "read_timeout 3s and an idle session",
        change: &[(
            HEADERS,
            "    header_up -X-Forwarded-*\n    transport http {\n      read_timeout 3s\n    }\n",
        )],
        client: Client::Idle,
        front_first: "status=101 first=client:fin silent=3s close=none",
        tap_first: "status=101 first=upstream:fin silent=3s close=none",
        front_says: says::CLIENT_FIN,
        tap_says: says::CADDY_LIMIT,
        ..Row::BASE
    },
    Row {
        name: "respond 200 instead of proxying",
        change: &[(SITE, "http://127.0.0.1:@P@ {\n  respond 200\n")],
        sees: "HTTP/1.1 200 OK",
        front_first: "nobody",
        tap_first: "kind=websocket status=200 server=Caddy",
        tap_says: says::PAGE,
        ..Row::BASE
    },
    Row {
        name: "upstream down",
        upstream: Upstream::Down,
        sees: "HTTP/1.1 502 Bad Gateway",
        front_first: "kind=websocket own=502 status=-",
        tap_first: "kind=websocket own=0 status=502 server=Caddy",
        tap_answers: true,
        front_says: says::GATEWAY_DOWN,
        tap_says: says::NAMED_502,
        ..Row::BASE
    },
];
