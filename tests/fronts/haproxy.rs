//! haproxy, which passes the upstream's words on and cuts idle tunnels.

use crate::client::Client;
use crate::front::Program;
use crate::row::{Row, TowardsTap, Upstream, play_all};
use crate::says;

const BACKEND: &str = "backend b\n";
const FRONTEND: &str = "frontend f\n";

#[test]
fn rows() {
    play_all(Program::Haproxy, ROWS);
}

const ROWS: &[Row] = &[
    Row {
        name: "baseline",
        front_first: "kind=websocket status=101 host=front origin=http://front close=client:- xff=-",
        tap_first: "kind=websocket status=101 host=tap origin=http://tap close=client:-",
        ..Row::BASE
    },
    Row {
        name: "Upgrade removed",
        change: &[(FRONTEND, "frontend f\n  http-request del-header Upgrade\n")],
        sees: "HTTP/1.1 200 OK",
        front_first: "kind=websocket status=200 upgrade=-",
        tap_first: "kind=websocket status=200 upgrade=websocket",
        front_says: says::STRIPPED_BEFORE,
        tap_says: says::STRIPPED_BEHIND,
        ..Row::BASE
    },
    Row {
        name: "Host rewritten",
        change: &[(FRONTEND, "frontend f\n  http-request set-header Host gateway.internal\n")],
        front_first: "status=101 host=gateway.internal origin=http://front",
        tap_first: "status=101 host=tap origin=http://tap",
        front_says: says::OTHER_HOST,
        ..Row::BASE
    },
    Row {
        name: "timeout tunnel 3s and an idle session",
        change: &[("timeout tunnel 1h", "timeout tunnel 3s")],
        client: Client::Idle,
        // It resets its upstream, and ends its client with a FIN.
        front_first: "status=101 first=client:reset silent=3s close=none",
        tap_first: "status=101 first=upstream:fin silent=3s close=none",
        front_says: says::CLIENT_RESET,
        tap_says: says::NAMELESS_FIN,
        ..Row::BASE
    },
    Row {
        name: "http-request deny",
        change: &[(FRONTEND, "frontend f\n  http-request deny\n")],
        sees: "HTTP/1.1 403 Forbidden",
        front_first: "nobody",
        tap_first: "kind=websocket status=403 own=0",
        tap_says: says::NAMELESS_403,
        ..Row::BASE
    },
    Row {
        name: "upstream down",
        upstream: Upstream::Down,
        sees: "HTTP/1.1 503 Service Unavailable",
        front_first: "kind=websocket own=502 status=-",
        tap_first: "kind=websocket own=0 status=503",
        tap_answers: true,
        front_says: says::GATEWAY_DOWN,
        tap_says: says::NAMELESS_503,
        ..Row::BASE
    },
    Row {
        name: "mode tcp",
        change: &[("mode http", "mode tcp")],
        front_first: "kind=websocket status=101 host=front close=client:-",
        tap_first: "kind=websocket status=101 host=tap close=client:-",
        ..Row::BASE
    },
    Row {
        name: "send-proxy-v2 towards the tap",
        change: &[(BACKEND, "backend b\n  option httpclose\n")],
        front_first: "kind=websocket status=101 proxy=2 host=front close=client:-",
        towards_tap: Some(TowardsTap {
            change: &[("@UP@", "@UP@ send-proxy-v2")],
            listen: "127.0.0.1:0",
            arguments: &["--proxy-protocol-from", "127.0.0.1"],
        }),
        ..Row::BASE
    },
];
