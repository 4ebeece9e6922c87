//! What a client is told when the upstream cannot be reached, and the ways of reaching it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use wstap::session::{DialStep, Leg, Record};

use crate::rig::{Gateway, Rig, SWITCHING, upgrade};
use crate::support::free_port;
use crate::support::tap::{Wstap, address_in};
use crate::support::wait_for;
use crate::wire::{Conn, End, PATIENCE};

/// What a client gets whose upstream cannot be reached, and its record.
fn refused(rig: &Rig, request: &str) -> (String, Record) {
    let mut client = rig.connect();
    client.send(request);
    let (bytes, end) = client.rest();
    assert_eq!(end, End::Fin);
    client.fin();
    let target = request.split(' ').nth(1).unwrap();
    (String::from_utf8(bytes).unwrap(), rig.record(target))
}

/// A status of our own that names wstap, the leg and the cause, for an upgrade and for a page.
fn tells(rig: &Rig, status: u16, step: DialStep, cause: &str, words: &str) -> Record {
    let page = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    let [page, upgrade] = [page, upgrade("/upgrade", "")].map(|request| {
        let (answer, record) = refused(rig, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nx-wstap: upstream leg\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with("wstap could not reach the upstream "), "{body}");
        assert!(body.contains(words), "{body}");
        let own = record.own_answer.as_ref().unwrap();
        assert_eq!((own.status, own.leg), (status, Leg::Upstream));
        let failure = record.upstream.dial.as_ref().unwrap().failure.as_ref().unwrap();
        assert_eq!((failure.step, failure.cause.as_str()), (step, cause), "{failure:?}");
        assert!(record.response.is_none(), "our own answer is not the gateway's");
        assert_eq!(record.close.seen_by_client, None);
        record
    });
    assert_eq!(page.upstream.dial.unwrap().url, upgrade.upstream.dial.as_ref().unwrap().url);
    upgrade
}

#[test]
fn a_refused_connection_is_a_502() {
    let closed = format!("ws://127.0.0.1:{}", free_port());
    let rig = Rig::towards(&closed, &[]);
    let record = tells(&rig, 502, DialStep::Connect, "refused", "ECONNREFUSED");
    let attempts = record.upstream.dial.unwrap().attempts;
    assert_eq!(attempts[0].error.as_deref(), Some("ECONNREFUSED"));
}

#[test]
fn a_black_hole_is_a_504_after_the_connect_timeout() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    // Once its queue is full the kernel leaves SYNs unanswered.
    let mut queued = Vec::new();
    while let Ok(tcp) = TcpStream::connect_timeout(&addr, Duration::from_millis(500)) {
        queued.push(tcp);
    }
    let rig = Rig::towards(&format!("ws://{addr}"), &["--connect-timeout", "400ms"]);
    let began = Instant::now();
    let record = tells(&rig, 504, DialStep::Connect, "timeout", "400ms");
    assert!(began.elapsed() >= Duration::from_millis(800));
    assert!(record.upstream.dial.unwrap().failure.unwrap().timed_out);
}

#[test]
fn an_unknown_name_is_a_502_of_its_own_cause() {
    // RFC 6761 §6.4: "invalid" never resolves.
    let rig = Rig::towards("ws://gateway.invalid:1", &[]);
    let mut client = rig.connect();
    client.send(upgrade("/x", ""));
    let (bytes, _) = client.rest();
    let answer = String::from_utf8(bytes).unwrap();
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    assert!(answer.contains("gateway.invalid"), "{answer}");
    let failure = rig.record("/x").upstream.dial.unwrap().failure.unwrap();
    assert_eq!(failure.step, DialStep::Resolve);
}

#[test]
fn an_untrusted_certificate_is_a_502_unless_insecure() {
    let gateway = Gateway::tcp();
    let url = gateway.url("wss");
    let rig = Rig::before(gateway, &url, &[]);
    let serve = || {
        let mut conn = rig.gateway.accept();
        // The tap breaks the handshake off.
        drop(conn.try_tls(crate::tls::server()));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            serve();
            serve();
        });
        tells(&rig, 502, DialStep::Tls, "certificate", "certificate");
    });

    let gateway = Gateway::tcp();
    let url = gateway.url("wss");
    let rig = Rig::before(gateway, &url, &["--insecure"]);
    let mut client = rig.connect();
    client.send(upgrade("/insecure", ""));
    let mut server = rig.gateway.accept().with_tls(crate::tls::server());
    server.take_head();
    server.send(SWITCHING);
    client.take_head();
    client.fin();
    assert_eq!(server.end(), End::Fin);
    server.fin();
    let tls = rig.record("/insecure").upstream.tls.unwrap();
    assert_eq!(tls.verified, Some(false));
    assert!(tls.verify_error.is_some() && tls.certificate.is_some());
}

#[test]
fn an_http_proxy_in_between_is_told_from_the_gateway() {
    let proxy = Gateway::tcp();
    let via = proxy.url("http");
    let rig = Rig::before(proxy, "ws://gateway.test:7", &["--via", &via]);
    let mut client = rig.connect();
    let head = upgrade("/through", "");
    client.send(&head);
    let mut tunnel = rig.gateway.accept();
    let ask = tunnel.take_head();
    assert!(ask.starts_with("CONNECT gateway.test:7 HTTP/1.1\r\n"), "{ask}");
    tunnel.send("HTTP/1.1 200 Connection established\r\n\r\n");
    assert_eq!(tunnel.take_head(), head);
    tunnel.send(SWITCHING);
    assert_eq!(client.take_head(), SWITCHING);
    client.fin();
    tunnel.fin();
    let via = rig.record("/through").upstream.dial.unwrap().via.unwrap();
    assert_eq!((via.protocol.as_str(), via.status), ("http_connect", Some(200)));
    assert_eq!(via.target, "gateway.test:7");

    let mut client = rig.connect();
    client.send(upgrade("/refused", ""));
    let mut tunnel = rig.gateway.accept();
    tunnel.take_head();
    tunnel.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let answer = client.take_head();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    client.fin();
    let record = rig.record("/refused");
    assert_eq!(record.upstream.dial.as_ref().unwrap().via.as_ref().unwrap().status, Some(407));
    assert_eq!(record.upstream.dial.unwrap().failure.unwrap().cause, "via_refused");
    assert!(record.response.is_none());
}

#[test]
fn a_socks_proxy_in_between_gets_the_name() {
    let proxy = Gateway::tcp();
    let via = proxy.url("socks5");
    let rig = Rig::before(proxy, "ws://gateway.test:7", &["--via", &via]);
    let mut client = rig.connect();
    let head = upgrade("/socks", "");
    client.send(&head);
    let mut tunnel = rig.gateway.accept();
    assert_eq!(tunnel.take(3), [5, 1, 0]);
    tunnel.send([5, 0]);
    let ask = [&[5, 1, 0, 3, 12][..], b"gateway.test", &[0, 7]].concat();
    assert_eq!(tunnel.take(ask.len()), ask);
    tunnel.send([5, 0, 0, 1, 127, 0, 0, 1, 0, 7]);
    assert_eq!(tunnel.take_head(), head);
    tunnel.send(SWITCHING);
    assert_eq!(client.take_head(), SWITCHING);
    client.fin();
    tunnel.fin();
    let via = rig.record("/socks").upstream.dial.unwrap().via.unwrap();
    assert_eq!((via.protocol.as_str(), via.status), ("socks5", Some(0)));
}

#[test]
fn a_name_is_resolved_and_every_address_recorded() {
    let gateway = Gateway::tcp();
    let url = format!("ws://localhost:{}", gateway.addr().port());
    let rig = Rig::before(gateway, &url, &[]);
    let (mut client, mut server) = rig.session("/name");
    client.fin();
    server.fin();
    let dial = rig.record("/name").upstream.dial.unwrap();
    assert!(dial.resolved.contains(&Ipv4Addr::LOCALHOST.into()), "{dial:?}");
    assert_eq!(dial.peer, Some(rig.gateway.addr().to_string()));
    assert!(dial.local.unwrap().starts_with("127.0.0.1:"));
    assert!(!dial.attempts.is_empty() && dial.url == url);
}

#[test]
fn each_listener_may_have_an_upstream_of_its_own() {
    let second = Gateway::tcp();
    let first = Gateway::tcp();
    let url = first.url("ws");
    let second_url = second.url("http");
    let rig = Rig::before(first, &url, &["--listen", "127.0.0.1:0", "--upstream", &second_url]);
    let lines = wait_for("both listeners' lines", PATIENCE, || {
        let lines = rig.tap.child.stderr.all();
        let listening: Vec<_> = lines.into_iter().filter(|l| l.contains("listening")).collect();
        (listening.len() == 2).then_some(listening)
    });
    let listener = address_in(&lines[1]).unwrap();
    assert!(lines[1].contains(&second_url), "{lines:?}");
    let mut client = Conn::tcp(listener);
    client.send(upgrade("/second", ""));
    let mut server = second.accept();
    server.take_head();
    server.send(SWITCHING);
    client.take_head();
    let (mut other, mut first) = rig.session("/first");
    for conn in [&mut client, &mut server, &mut other, &mut first] {
        conn.fin();
    }
    assert_eq!(rig.record("/second").client.listener, listener.to_string());
    assert_eq!(rig.record("/second").upstream.dial.unwrap().url, second_url);
    assert_eq!(rig.record("/first").client.listener, rig.tap.addr.to_string());
}

#[test]
fn an_upstream_that_is_our_own_listener_is_refused_at_start() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").display().to_string();
    for upstream in [format!("ws://127.0.0.1:{port}"), format!("http://localhost:{port}")] {
        let listen = port.to_string();
        let run =
            Wstap::run(&["proxy", "--listen", &listen, "--upstream", &upstream, "--store", &store]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains("is our own listener"), "{}", run.stderr);
        assert!(run.stderr.contains("--upstream"), "{}", run.stderr);
    }
}

#[test]
fn what_is_typed_wrong_says_what_to_type() {
    let cases: [(&[&str], &str); 16] = [
        (&["--listen", ":80"], "0.0.0.0:80"),
        (&["--listen", "127.0.0.1"], "127.0.0.1:18889"),
        (&["--listen", "localhost:80"], "127.0.0.1:80"),
        (&["--listen", "unix:relative"], "absolute path"),
        (&["--upstream", "127.0.0.1:1"], "ws://127.0.0.1:1"),
        (&["--upstream", "ftp://a"], "ws://, wss://"),
        (&["--upstream", "ws://u:p@a:1"], "leave them out"),
        (&["--upstream", "ws://a:1/path"], "leave it out"),
        (&["--upstream", "unix:gateway.sock"], "absolute path"),
        (
            &[
                "--listen",
                "1",
                "--listen",
                "2",
                "--upstream",
                "ws://a",
                "--upstream",
                "ws://b",
                "--upstream",
                "ws://c",
            ],
            "do not pair",
        ),
        (&["--via", "ftp://proxy:1"], "socks5://"),
        (&["--set-header", "no colon"], "Name: value"),
        (&["--set-header", "b ad: x"], "header name"),
        (&["--proxy-protocol-from", "10.0.0.0/99"], "10.0.0.0/8"),
        (&["--tls-cert", "a.pem"], "--tls-key"),
        (&["--drain", "soon"], "soon"),
    ];
    for (args, words) in cases {
        let all: Vec<&str> = ["proxy"].iter().chain(args).copied().collect();
        let run = Wstap::run(&all);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn what_may_hold_credentials_is_not_said_again() {
    let secret = "s3cr3t-9f27";
    for (option, value) in [
        ("--upstream", format!("ws://u:{secret}@a:1")),
        ("--upstream", format!("u:{secret}@a:1")),
        ("--upstream", format!("ws://a:1/?token={secret}")),
        ("--upstream", format!("a:1/?token={secret}")),
        ("--via", format!("u:{secret}@proxy:1")),
        ("--set-header", format!("Authorization Bearer {secret}")),
    ] {
        let run = Wstap::run(&["proxy", option, &value]);
        assert_eq!(run.code, Some(2));
        assert!(!run.stderr.contains(secret), "{option} {}", value.len());
    }
}

#[test]
fn a_client_that_is_gone_while_the_upstream_is_dialled_is_recorded() {
    // The upstream takes the connection and never shakes hands.
    let gateway = Gateway::tcp();
    let url = gateway.url("wss");
    let rig = Rig::before(gateway, &url, &["--insecure", "--connect-timeout", "1h"]);
    let (client, mut gateway) = rig.dial(upgrade("/gone", ""));
    client.reset();
    gateway.take(1);
    gateway.rest();
    let record = rig.record("/gone");
    let endings: Vec<_> = record.endings.iter().map(|e| (e.leg, e.kind.name())).collect();
    assert_eq!(endings, [(Leg::Downstream, "reset")]);
    assert!(record.own_answer.is_none() && record.response.is_none());
}
