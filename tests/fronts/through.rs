//! `wstap front` through real fronts: each mistake has its finding and its directive, and a front
//! without one has none.

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::front::{Front, Program};
use crate::support::child::{OwnedChild, Run};
use crate::support::free_port;

use Program::{Caddy, Haproxy, Nginx};

const ANSWER: Duration = Duration::from_mins(2);
const WORKERS: usize = 3;

const UPGRADE: &str = "      proxy_set_header Upgrade $http_upgrade;\n";
const CONNECTION: &str = "      proxy_set_header Connection $connection_upgrade;\n";
const VERSION: &str = "      proxy_http_version 1.1;\n";
const HOST: &str = "      proxy_set_header Host $http_host;\n";
const READ_TIMEOUT: &str = "proxy_read_timeout 3600s";
const LOCATION: &str = "location / {";
const LISTEN: &str = "listen 127.0.0.1:@P@";
const FRONTEND: &str = "  default_backend b\n";
const SERVER: &str = "server s 127.0.0.1:@UP@";
const REVERSE: &str = "reverse_proxy 127.0.0.1:@UP@ {\n    header_up -X-Forwarded-*\n  }";

/// A front with one change, and what is found in it.
struct Row {
    program: Program,
    change: &'static [(&'static str, &'static str)],
    /// Every slug above information.
    finds: &'static [&'static str],
    /// A part of the directive of the first one.
    directive: &'static str,
    /// Whether it has to wait, and how long.
    idle_max: Option<&'static str>,
}

const fn row(
    program: Program,
    change: &'static [(&'static str, &'static str)],
    finds: &'static [&'static str],
    directive: &'static str,
) -> Row {
    Row { program, change, finds, directive, idle_max: None }
}

const fn waiting(
    program: Program,
    change: &'static [(&'static str, &'static str)],
    finds: &'static [&'static str],
    directive: &'static str,
) -> Row {
    Row { program, change, finds, directive, idle_max: Some("8s") }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    waiting(Nginx, &[], &[], ""),
    waiting(Haproxy, &[], &[], ""),
    waiting(Caddy, &[], &[], ""),
    waiting(Nginx, &[(READ_TIMEOUT, "proxy_read_timeout 3s")], &["idle.cut", "upgrade.slow_answer"], "proxy_read_timeout 3600s"),
    row(Nginx, &[(UPGRADE, ""), (CONNECTION, "")], &["request.upgrade_lost", "request.connection_lost"], "proxy_set_header Upgrade $http_upgrade"),
    row(Nginx, &[(CONNECTION, "")], &["request.connection_lost"], "proxy_set_header Connection $connection_upgrade"),
    row(Nginx, &[(VERSION, "      proxy_http_version 1.0;\n")], &["request.http_version"], "proxy_http_version 1.1;"),
    row(Nginx, &[(VERSION, ""), (UPGRADE, ""), (CONNECTION, ""), (HOST, "")],
        &["request.http_version", "request.upgrade_lost", "request.connection_lost", "request.host_changed"], "proxy_"),
    row(Nginx, &[("Connection $connection_upgrade", "Connection upgrade")], &["plain.connection_upgrade"], "map $http_upgrade"),
    row(Nginx, &[(HOST, "")], &["request.host_changed"], "proxy_set_header Host $http_host"),
    row(Nginx, &[("Host $http_host", "Host $host")], &["request.host_changed"], "proxy_set_header Host $http_host"),
    row(Nginx, &[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Origin '';\n")], &["request.origin_changed"], "Origin"),
    row(Nginx, &[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Sec-WebSocket-Protocol '';\n")], &["request.subprotocol_changed"], "proxy_set_header"),
    row(Nginx, &[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Sec-WebSocket-Extensions '';\n")], &["request.compression_changed"], "proxy_set_header"),
    row(Nginx, &[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Sec-WebSocket-Key '';\n")], &["request.key_changed"], "proxy_set_header"),
    row(Nginx, &[(LISTEN, "client_header_buffer_size 512; large_client_header_buffers 2 1k; listen 127.0.0.1:@P@")], &["limit.request_head_3k"], "large_client_header_buffers"),
    row(Nginx, &[(LOCATION, "location / { client_max_body_size 64k; proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;")], &[], ""),
    row(Nginx, &[("proxy_pass http:", "proxy_pass https:")], &["upstream.tls"], "proxy_pass http://"),
    row(Nginx, &[(LOCATION, "location / { auth_basic gate; auth_basic_user_file @D@/users;")], &["upgrade.refused"], "auth_basic"),
    row(Nginx, &[(LOCATION, "location / { return 301 https://gateway.test/;")], &["upgrade.refused"], "return"),
    row(Nginx, &[(LISTEN, "listen 127.0.0.1:@P@ http2")], &["upgrade.client_http2"], "http2"),
    row(Haproxy, &[("mode http", "mode tcp")], &[], ""),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request del-header Upgrade\n")], &["request.upgrade_lost"], "del-header"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request del-header Connection\n")], &["request.connection_lost"], "del-header"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request set-header Host gateway.internal\n")], &["request.host_changed"], "set-header Host"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request del-header Origin\n")], &["request.origin_changed"], "del-header Origin"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request set-path /x%[path]\n")], &["request.target_changed"], "set-path"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  http-request deny\n")], &["upgrade.refused"], "http-request deny"),
    row(Haproxy, &[(FRONTEND, "  default_backend b\n  option httpclose\n")], &[], ""),
    row(Haproxy, &[(SERVER, "server s 127.0.0.1:@UP@ proto h2")], &["upstream.http2"], "proto h2"),
    row(Haproxy, &[(SERVER, "server s 127.0.0.1:@UP@ send-proxy-v2")], &["upstream.proxy_protocol"], "send-proxy-v2"),
    row(Haproxy, &[(SERVER, "server s 127.0.0.1:@UP@ ssl verify none")], &["upstream.tls"], "ssl"),
    waiting(Haproxy, &[("timeout tunnel 1h", "timeout tunnel 3s")], &["idle.cut"], "timeout tunnel 1h"),
    waiting(Haproxy, &[("timeout server 60s", "timeout server 3s"), ("timeout tunnel 1h", "timeout tunnel 1h\n  timeout client-fin 1s")], &["upgrade.slow_answer"], "timeout server"),
    row(Caddy, &[(REVERSE, "reverse_proxy 127.0.0.1:@UP@ {\n    header_up -Upgrade\n  }")], &["request.upgrade_lost"], "header_up -Upgrade"),
    row(Caddy, &[(REVERSE, "reverse_proxy 127.0.0.1:@UP@ {\n    header_up -Connection\n  }")], &["request.connection_lost"], "-Connection"),
    row(Caddy, &[(REVERSE, "reverse_proxy 127.0.0.1:@UP@ {\n    header_up Host {upstream_hostport}\n  }")], &["request.host_changed"], "header_up Host"),
    row(Caddy, &[(REVERSE, "reverse_proxy 127.0.0.1:@UP@ {\n    header_up -Origin\n  }")], &["request.origin_changed"], "-Origin"),
    row(Caddy, &[(REVERSE, "reverse_proxy h2c://127.0.0.1:@UP@")], &["upstream.http2"], "versions 1.1"),
    row(Caddy, &[(REVERSE, "reverse_proxy https://127.0.0.1:@UP@")], &["upstream.tls"], "http://"),
    row(Caddy, &[(REVERSE, "respond 200")], &["upgrade.refused"], "respond"),
    row(Caddy, &[(REVERSE, "redir https://gateway.test{uri} 308")], &["upgrade.refused"], "redir"),
    waiting(Caddy, &[(REVERSE, "reverse_proxy 127.0.0.1:@UP@ {\n    transport http {\n      read_timeout 3s\n      response_header_timeout 3s\n    }\n  }")], &["idle.cut", "upgrade.slow_answer"], "read_timeout"),
];

#[test]
fn every_mistake_has_its_finding_and_its_directive() {
    let queue: Mutex<VecDeque<&Row>> = Mutex::new(ROWS.iter().collect());
    let problems = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(row) = next(&queue) {
                    let complaint = row.complaint();
                    problems.lock().unwrap().extend(complaint);
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// Lets go of the queue before the row is worked on.
fn next<'a>(queue: &Mutex<VecDeque<&'a Row>>) -> Option<&'a Row> {
    queue.lock().unwrap().pop_front()
}

impl Row {
    fn complaint(&self) -> Option<String> {
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let front = Front::start(self.program, self.change, upstream);
        let ran = check(
            front.addr,
            upstream,
            self.idle_max.map_or(&["--quick"], |_| &["--idle-max", "8s"]),
        );
        let name = format!("{:?} {:?}", self.program, self.change);
        let Ok(report) = serde_json::from_str::<Value>(&ran.stdout) else {
            return Some(format!("{name}: {} {}", ran.stdout, ran.stderr));
        };
        let found: Vec<&Value> = report["deviations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|found| found["severity"] != "info")
            .collect();
        let slugs: BTreeSet<&str> = found.iter().map(|f| f["slug"].as_str().unwrap()).collect();
        let wanted: BTreeSet<&str> = self.finds.iter().copied().collect();
        let code = i32::from(!wanted.is_empty());
        if slugs != wanted || ran.code != Some(code) {
            return Some(format!(
                "{name}: {slugs:?} instead of {wanted:?}, exit {:?}\n{report:#}",
                ran.code
            ));
        }
        let first = found.iter().find(|found| found["slug"] == self.finds[0])?;
        let directives = first["directives"].to_string();
        // An idle limit is measured as it is set.
        if self.finds[0] == "idle.cut" && !first["says"].as_str().unwrap().contains("after 3.") {
            return Some(format!("{name}: {first:#}"));
        }
        (!directives.contains(self.directive)).then(|| format!("{name}: {first:#}"))
    }
}

#[test]
fn a_reload_that_ends_sessions_is_seen() {
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let change = [("daemon off;", "daemon off; worker_shutdown_timeout 1s;")];
    let mut front = Front::start(Nginx, &change, upstream);
    let child = spawn(front.addr, upstream, &["--quick", "--on-reload", "15s"]);
    child.stderr.first(ANSWER, |line| line.contains("reload the proxy now"));
    front.reload();
    let mut child = child;
    let code = child.wait(ANSWER).code();
    let (stdout, stderr) = child.into_texts();
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
    assert_eq!(code, Some(1), "{report:#}");
    let found = &report["deviations"][0];
    assert_eq!(found["slug"], "reload.cut", "{report:#}");
    assert!(found["directives"]["nginx"].as_str().unwrap().contains("worker_shutdown_timeout"));
}

#[test]
fn a_proxy_that_leads_elsewhere_cannot_be_checked() {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let front = Front::start(Nginx, &[], nowhere);
    let ran = check(front.addr, listen, &["--quick"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(3), ""), "{}", ran.stderr);
    let hint = format!("proxy_pass http://{listen}");
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
}

fn check(front: SocketAddr, listen: SocketAddr, more: &[&str]) -> Run {
    let mut child = spawn(front, listen, more);
    let code = child.wait(ANSWER).code();
    let (stdout, stderr) = child.into_texts();
    Run { code, stdout, stderr }
}

fn spawn(front: SocketAddr, listen: SocketAddr, more: &[&str]) -> OwnedChild {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstap"));
    command.arg("front").arg("--json").args(["--through", &format!("ws://{front}/")]);
    command.args(["--listen", &listen.to_string()]).args(more);
    OwnedChild::spawn(&mut command)
}
