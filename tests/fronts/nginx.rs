//! nginx, its usual mistakes and its limits.

use crate::client::Client;
use crate::front::Program;
use crate::row::{Row, TowardsTap, Upstream, play_all};
use crate::says;

const UPGRADE: &str = "      proxy_set_header Upgrade $http_upgrade;\n";
const CONNECTION: &str = "      proxy_set_header Connection $connection_upgrade;\n";
const HOST: &str = "      proxy_set_header Host $http_host;\n";
const READ_TIMEOUT: &str = "proxy_read_timeout 3600s";
const LISTEN: &str = "listen 127.0.0.1:@P@";
const LOCATION: &str = "location / {";

const WELL: &str = "kind=websocket status=101 upgrade=websocket close=client:- \
    first=client:close_frame origin=http://front host=front";

#[test]
fn rows() {
    play_all(Program::Nginx, ROWS);
}

const ROWS: &[Row] = &[
    Row {
        name: "baseline",
        front_first: WELL,
        tap_first: "kind=websocket status=101 close=client:- host=tap origin=http://tap server=nginx/1.22.1",
        ..Row::BASE
    },
    Row {
        name: "Upgrade and Connection not set",
        change: &[(UPGRADE, ""), (CONNECTION, "")],
        sees: "HTTP/1.1 200 OK",
        front_first: "kind=websocket status=200 upgrade=- connection=close",
        tap_first: "kind=websocket status=200 upgrade=websocket connection=Upgrade server=nginx/1.22.1",
        front_says: says::STRIPPED_BEFORE,
        tap_says: says::STRIPPED_BEHIND,
        ..Row::BASE
    },
    Row {
        name: "Connection not set",
        change: &[(CONNECTION, "")],
        sees: "HTTP/1.1 200 OK",
        front_first: "kind=websocket status=200 upgrade=websocket connection=close",
        tap_first: "kind=websocket status=200 upgrade=websocket connection=Upgrade",
        front_says: says::STRIPPED_BEFORE,
        tap_says: says::STRIPPED_BEHIND,
        ..Row::BASE
    },
    Row {
        name: "Host not set",
        change: &[(HOST, "")],
        front_first: "status=101 host=tap origin=http://front",
        tap_first: "status=101 host=tap origin=http://tap",
        front_says: says::OTHER_HOST,
        ..Row::BASE
    },
    Row {
        name: "Host without its port",
        change: &[("Host $http_host", "Host $host")],
        front_first: "status=101 host=127.0.0.1 origin=http://front",
        tap_first: "status=101 host=tap",
        front_says: says::OTHER_HOST,
        ..Row::BASE
    },
    Row {
        name: "Origin emptied",
        change: &[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Origin '';\n")],
        front_first: "status=101 origin=- host=front",
        tap_first: "status=101 origin=http://tap",
        ..Row::BASE
    },
    Row {
        name: "X-Forwarded-For that the gateway does not trust",
        change: &[(
            HOST,
            "      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n",
        )],
        sees: "HTTP/1.1 403 Forbidden",
        front_first: "kind=websocket status=403 xff=127.0.0.1 own=0",
        tap_first: "kind=websocket status=403 xff=- own=0",
        front_says: says::UNTRUSTED,
        tap_says: says::UNTRUSTED,
        ..Row::BASE
    },
    Row {
        name: "proxy_read_timeout 3s and an idle session",
        change: &[(READ_TIMEOUT, "proxy_read_timeout 3s")],
        client: Client::Idle,
        front_first: "status=101 first=client:fin silent=3s close=none",
        tap_first: "status=101 first=upstream:fin silent=3s close=none",
        front_says: says::CLIENT_FIN,
        tap_says: says::NGINX_LIMIT,
        ..Row::BASE
    },
    Row {
        name: "upstream down",
        upstream: Upstream::Down,
        sees: "HTTP/1.1 502 Bad Gateway",
        front_first: "kind=websocket own=502 status=-",
        tap_first: "kind=websocket own=0 status=502 server=nginx/1.22.1",
        tap_answers: true,
        front_says: says::GATEWAY_DOWN,
        tap_says: says::NAMED_502,
        ..Row::BASE
    },
    Row {
        name: "auth_basic",
        change: &[(LOCATION, "location / { auth_basic gate; auth_basic_user_file @D@/users;")],
        sees: "HTTP/1.1 401 Unauthorized",
        front_first: "nobody",
        tap_first: "kind=websocket status=401 authenticate=Basic_realm=\"gate\"",
        tap_says: says::LOGIN,
        ..Row::BASE
    },
    Row {
        name: "return 301",
        change: &[(LOCATION, "location / { return 301 https://gateway.test/;")],
        sees: "HTTP/1.1 301 Moved Permanently",
        front_first: "nobody",
        tap_first: "kind=websocket status=301 location=https://gateway.test/",
        tap_says: says::REDIRECT,
        ..Row::BASE
    },
    Row {
        name: "listen http2 without TLS",
        change: &[(LISTEN, "listen 127.0.0.1:@P@ http2")],
        client: Client::Raw,
        sees: "fin",
        front_first: "nobody",
        tap_first: "kind=websocket status=- own=0 first=upstream:fin",
        tap_says: says::NOT_HTTP,
        ..Row::BASE
    },
    Row {
        name: "TLS towards clients",
        change: &[(
            LISTEN,
            "ssl_certificate @CERTS@/server.crt; ssl_certificate_key @CERTS@/server.key;
    listen 127.0.0.1:@P@ ssl",
        )],
        tap_first: "kind=websocket status=101 client_tls=false upstream_tls=true close=client:-",
        from_tap: &["--upstream-ca", concat!(env!("CARGO_MANIFEST_DIR"), "/certs/ca.crt")],
        scheme: "wss",
        ..Row::BASE
    },
    Row {
        name: "TLS towards the tap",
        front_first: "kind=websocket status=101 client_tls=true upstream_tls=false close=client:- host=front",
        towards_tap: Some(TowardsTap {
            change: &[("proxy_pass http:", "proxy_pass https:")],
            listen: "tls://127.0.0.1:0",
            arguments: &[],
        }),
        ..Row::BASE
    },
];
