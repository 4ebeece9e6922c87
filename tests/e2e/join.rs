//! Two taps with a relay between them that changes a header and cuts after two seconds:
//! `wstap join` says both.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::frame::{TEXT, from_client, from_gateway};
use crate::rig::{Gateway, SWITCHING, upgrade};
use crate::support::tap::Wstap;
use crate::support::wait_for;
use crate::wire::{Conn, End, PATIENCE};

const CUT_AFTER: Duration = Duration::from_secs(2);

#[test]
fn a_relay_that_cuts_is_named_by_the_taps_around_it() {
    let gateway = Gateway::tcp();
    let inner = Wstap::start(&gateway.url("ws"));
    let outer = Wstap::start(&format!("ws://{}", relay(inner.addr)));

    let mut client = Conn::tcp(outer.addr);
    client.send(upgrade("/", "Origin: http://outside.test\r\n"));
    let mut server = gateway.accept();
    assert!(server.take_head().contains("Origin: http://inside.test\r\n"));
    server.send(SWITCHING);
    client.take_head();
    for number in 0..3 {
        let (up, down) = (from_client(TEXT, "up"), from_gateway(TEXT, format!("{number} down")));
        client.send(&up);
        assert_eq!(server.take(up.len()), up);
        server.send(&down);
        assert_eq!(client.take(down.len()), down);
    }
    assert_eq!((client.end(), server.end()), (End::Fin, End::Fin));
    client.fin();
    server.fin();
    for tap in [&outer, &inner] {
        wait_for("the end of the session", PATIENCE, || {
            tap.ask(&["sessions", "--json"]).stdout.contains("\"state\":\"ended\"").then_some(())
        });
    }

    let stores = [outer.store(), inner.store()].map(|store| store.display().to_string());
    let ran = Wstap::run(&["join", &stores[0], &stores[1], "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let hops: Value = serde_json::from_str(&ran.stdout).unwrap();
    let pair = &hops[0]["joined"]["pairs"][0];
    assert_eq!(pair["by"], "key", "{hops:#}");
    let origin = pair["request"].as_array().unwrap();
    assert_eq!((origin.len(), &origin[0]["name"]), (1, &Value::from("origin")), "{origin:?}");
    assert_eq!(pair["ended"]["by"], "hop", "{pair:#}");
    let says = pair["ended"]["says"].as_str().unwrap();
    assert!(says.contains("the client side saw FIN at 2."), "{says}");
    for verdict in pair["verdicts"].as_array().unwrap() {
        assert_eq!(
            (&verdict["who"], &verdict["confidence"]),
            (&Value::from("front_proxy"), &Value::from("certain")),
            "{verdict:#}"
        );
    }
    // Both taps read one clock, so its offset is nothing, and the estimate has to allow that.
    let clock = &hops[0]["joined"]["clock"];
    let (estimate, uncertainty) =
        (clock["estimate_ms"].as_f64().unwrap(), clock["uncertainty_ms"].as_f64().unwrap());
    assert!(estimate.abs() <= uncertainty + 1.0, "{clock}");

    // As text, of copies that cannot be written.
    let folder = tempfile::tempdir().unwrap();
    let copies = stores.map(|store| {
        let copy = folder.path().join(format!("copy-of-{}", store.replace('/', "-")));
        for part in ["", "-wal"] {
            let (from, to) = (format!("{store}{part}"), format!("{}{part}", copy.display()));
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o400)).unwrap();
        }
        copy.display().to_string()
    });
    let ran = Wstap::run(&["join", "--same-clock", &copies[0], &copies[1]]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in ["origin: http://outside.test  ->  http://inside.test", "the hop between them"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

/// Relays one session, and ends both of its connections with a FIN after a while.
fn relay(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut gateway = TcpStream::connect(upstream).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap().replace("outside", "inside");
        gateway.write_all(head.as_bytes()).unwrap();
        let copy = |from: &TcpStream, to: &TcpStream| {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to).ok())
        };
        copy(&client, &gateway);
        copy(&gateway, &client);
        thread::sleep(CUT_AFTER);
        for socket in [&client, &gateway] {
            socket.shutdown(Shutdown::Write).ok();
        }
    });
    addr
}
