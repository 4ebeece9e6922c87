//! From the name to the upgrade: names, ports, sockets, proxies, TLS, fronts that answer.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wstap::check::{Outcome, Target};
use wstap::gateway::Policy;

use crate::stage::{
    TOKEN, TlsFront, answer, broken, closed_port, detail, front, gateway, listener, pass_on, probe,
    settings, verdict, ws,
};

#[tokio::test]
async fn a_port_that_refuses_and_a_name_that_is_none() {
    let (_held, addr) = closed_port();
    let report = probe(&settings(&ws(addr))).await;
    assert_eq!(broken(&report), Some(("tcp", "transport", "upstream_refused")), "{report:#?}");
    assert!(detail(&report, "tcp").contains("ECONNREFUSED"));
    let next = &report.broken().expect("one").finding.as_ref().expect("one").next;
    assert!(
        next.iter().any(|step| step
            .command
            .as_ref()
            .is_some_and(|c| c.contains(&addr.port().to_string()))),
        "{next:?}"
    );
    assert_eq!(verdict(&report, "connect"), Outcome::Skipped);

    let report = probe(&settings("ws://no-such-host.invalid:7")).await;
    assert_eq!(broken(&report), Some(("resolve", "transport", "upstream_no_such_host")));
    assert!(detail(&report, "resolve").contains("asked "), "{report:#?}");
}

#[tokio::test]
async fn unix_sockets_are_missing_or_none_or_without_a_listener_or_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: &str| format!("unix:{}", folder.path().join(name).display());
    std::fs::write(folder.path().join("file"), "").expect("a file");
    drop(UnixListener::bind(folder.path().join("left")).expect("a socket"));
    let rows = [
        ("missing", "missing", "upstream_socket_missing"),
        ("file", "not_a_socket", "upstream_socket_missing"),
        ("left", "nobody_listening", "upstream_refused"),
    ];
    for (name, problem, cause) in rows {
        let report = probe(&settings(&url(name))).await;
        assert_eq!(broken(&report), Some(("socket", "transport", cause)), "{name}: {report:#?}");
        assert_eq!(report.step("socket").expect("a step").facts["problem"], problem);
    }

    let gateway = gateway(Policy::token(TOKEN)).await;
    let to = gateway.addr();
    let unix = tokio::net::UnixListener::bind(folder.path().join("good")).expect("a socket");
    tokio::spawn(async move {
        while let Ok((client, _)) = unix.accept().await {
            tokio::spawn(pass_on(client, to));
        }
    });
    let report = probe(&settings(&url("good"))).await;
    assert_eq!(broken(&report), None, "{report:#?}");
}

#[tokio::test]
async fn a_plain_server_on_a_tls_url_and_the_reverse_are_said_plainly() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let report = probe(&settings(&format!("wss://{}", gateway.addr()))).await;
    assert_eq!(broken(&report), Some(("tls", "transport", "tls_to_plaintext")), "{report:#?}");
    let plain = format!("use {}", ws(gateway.addr()));
    assert!(detail(&report, "tls").contains(&plain), "{report:#?}");

    let tls = TlsFront::new(gateway.addr(), "127.0.0.1").await;
    let report = probe(&settings(&ws(tls.addr))).await;
    assert_eq!(broken(&report), Some(("tls", "transport", "plaintext_to_tls")), "{report:#?}");
    assert!(detail(&report, "tls").contains(&format!("use {}", tls.url())), "{report:#?}");
    assert_eq!(verdict(&report, "healthz"), Outcome::Skipped);
    assert_eq!(verdict(&report, "upgrade"), Outcome::Skipped);
}

#[tokio::test]
async fn certificates_are_verified_pinned_or_taken_as_they_are() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let tls = TlsFront::new(gateway.addr(), "127.0.0.1").await;
    let mut settings = settings(&tls.url());
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("tls", "transport", "upstream_tls_untrusted")));
    let facts = &report.step("tls").expect("a step").facts;
    let sha256 = facts["certificate"]["sha256"].as_str().expect("a fingerprint").to_owned();
    assert_eq!(facts["certificate"]["names"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(verdict(&report, "upgrade"), Outcome::Skipped, "no secret goes to a stranger");

    settings.reach.tls.ca = Some(tls.ca());
    let report = probe(&settings).await;
    assert_eq!(broken(&report), None, "{report:#?}");
    assert!(detail(&report, "tls").starts_with("TLSv1.3"), "{report:#?}");
    assert!(detail(&report, "tls").contains("days)"), "{report:#?}");

    settings.reach.tls.ca = None;
    settings.reach.pin = Some(sha256.clone());
    assert_eq!(broken(&probe(&settings).await), None);
    settings.reach.pin = Some("0".repeat(64));
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("tls", "transport", "upstream_tls_untrusted")));
    assert!(detail(&report, "tls").contains(&sha256), "{report:#?}");

    settings.reach.pin = None;
    settings.reach.tls.insecure = true;
    let report = probe(&settings).await;
    assert_eq!((broken(&report), verdict(&report, "tls")), (None, Outcome::Info));

    let other = TlsFront::new(gateway.addr(), "other.example").await;
    settings.target = Target::parse(&other.url(), None).expect("a URL");
    settings.reach.tls.insecure = false;
    settings.reach.tls.ca = Some(other.ca());
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("tls", "transport", "upstream_tls_untrusted")));
    assert!(detail(&report, "tls").contains("name"), "{report:#?}");
}

#[tokio::test]
async fn what_answers_instead_of_a_gateway_is_told_apart() {
    let html = "<html data-openclaw-control-ui-base-path=\"\">";
    let attribution = r#"{"error":{"message":"x","type":"proxy_attribution_required"}}"#;
    let rows = [
        ("502 Bad Gateway", "Server: nginx/1.24\r\n", "x", "transport", "http_502", "nginx/1.24"),
        ("504 Gateway Timeout", "Server: haproxy\r\n", "", "transport", "http_504", "haproxy"),
        (
            "301 Moved",
            "Location: https://a/\r\nServer: nginx\r\n",
            "",
            "transport",
            "http_redirect",
            "https://a/",
        ),
        (
            "401 Unauthorized",
            "WWW-Authenticate: Basic\r\n",
            "",
            "auth",
            "http_401_reverse_proxy",
            "login",
        ),
        ("403 Forbidden", "", attribution, "transport", "proxy_attribution_required", "trust"),
        (
            "200 OK",
            "Server: nginx\r\n",
            "hello",
            "protocol",
            "not_an_openclaw_gateway",
            "not OpenClaw",
        ),
        ("200 OK", "", html, "protocol", "not_an_openclaw_gateway", "rewrites"),
        ("404 Not Found", "Server: x\r\n", "", "protocol", "not_an_openclaw_gateway", "Server: x"),
    ];
    for (status, headers, body, layer, cause, said) in rows {
        let text = answer(status, headers, body);
        let addr = front(move |_| text.clone()).await;
        let report = probe(&settings(&ws(addr))).await;
        assert_eq!(broken(&report), Some(("healthz", layer, cause)), "{status}: {report:#?}");
        assert!(detail(&report, "healthz").contains(said), "{status}: {report:#?}");
        assert_eq!(verdict(&report, "upgrade"), Outcome::Failed, "{status}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_alive_and_not_ready_says_so() {
    let addr = front(|path| match path {
        "/healthz" => answer("200 OK", "", r#"{"ok":true,"status":"live"}"#),
        "/readyz" => answer("503 X", "", r#"{"ready":false,"failing":["sidecars"]}"#),
        _ => answer("503 X", "", "Gateway websocket admission closed"),
    })
    .await;
    let report = probe(&settings(&ws(addr))).await;
    assert_eq!(broken(&report), Some(("readyz", "transport", "gateway_starting")));
    assert_eq!(verdict(&report, "healthz"), Outcome::Ok);
    assert_eq!(report.step("readyz").expect("a step").facts["failing"][0], "sidecars");
    let upgrade = report.step("upgrade").expect("a step");
    let cause = upgrade.finding.as_ref().map(|finding| finding.cause.as_str());
    assert_eq!(cause, Some("gateway_restarting"));
}

#[tokio::test]
async fn a_front_that_passes_only_websocket_is_no_fault() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let to = gateway.addr();
    let listener = listener().await;
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut begin = [0; 11];
            client.peek(&mut begin).await.expect("a request");
            if begin.starts_with(b"GET / ") {
                tokio::spawn(pass_on(client, to));
            } else {
                let text = answer("404 Not Found", "Server: nginx\r\nConnection: close\r\n", "");
                client.write_all(text.as_bytes()).await.expect("a reader");
            }
        }
    });
    let report = probe(&settings(&ws(addr))).await;
    assert_eq!(broken(&report), None, "{report:#?}");
    assert_eq!(verdict(&report, "healthz"), Outcome::Info);
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_not_the_gateways() {
    let listener = listener().await;
    let proxy = listener.local_addr().expect("an address");
    let gateway = gateway(Policy::token(TOKEN)).await;
    let to = gateway.addr();
    let serve = tokio::spawn(async move {
        let mut refusals = 1;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.expect("a CONNECT"));
            }
            if refusals > 0 {
                refusals -= 1;
                let no = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                client.write_all(no.as_bytes()).await.expect("a reader");
                continue;
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a reader");
            tokio::spawn(pass_on(client, to));
        }
    });
    let mut settings = settings(&ws(gateway.addr()));
    settings.reach.via = Some(format!("http://{proxy}").parse().expect("a proxy"));
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("via", "transport", "via_refused")), "{report:#?}");
    assert!(detail(&report, "via").contains("407"), "{report:#?}");
    let report = probe(&settings).await;
    assert_eq!((broken(&report), verdict(&report, "via")), (None, Outcome::Ok), "{report:#?}");
    serve.abort();

    let (_held, closed) = closed_port();
    settings.reach.via = Some(format!("http://{closed}").parse().expect("a proxy"));
    settings.reach.patience = Duration::from_secs(5);
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("via", "transport", "via_unreachable")));
}
