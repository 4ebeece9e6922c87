//! Gateways that many tests use, one of each configuration, and a CLI run with and without a tap.

use std::sync::OnceLock;

use crate::cli::Cli;
use crate::gateway::{GatewayOptions, RealGateway};
use crate::pinned::Release;
use crate::support::child::Run;
use crate::support::tap::Wstap;

/// Token auth, loopback, with every connection in its log.
pub(crate) fn with_token() -> &'static RealGateway {
    static GATEWAY: OnceLock<RealGateway> = OnceLock::new();
    GATEWAY.get_or_init(private)
}

/// The same for one test alone, which may end it.
pub(crate) fn private() -> RealGateway {
    RealGateway::start(&GatewayOptions { arguments: verbose(), ..GatewayOptions::default() })
}

/// Password auth, and it believes the forwarded headers of proxies on loopback.
pub(crate) fn behind_proxies() -> &'static RealGateway {
    static GATEWAY: OnceLock<RealGateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        configured(
            r#""auth": { "mode": "password", "password": "TOKEN" },
               "trustedProxies": ["127.0.0.1"],"#,
        )
    })
}

/// Token auth behind TLS with a certificate of its own making.
pub(crate) fn with_tls() -> &'static RealGateway {
    static GATEWAY: OnceLock<RealGateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        configured(
            r#""auth": { "mode": "token", "token": "TOKEN" },
               "tls": { "enabled": true, "autoGenerate": true },"#,
        )
    })
}

/// The release before, with token auth.
pub(crate) fn previous() -> &'static RealGateway {
    static GATEWAY: OnceLock<RealGateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let release = Release::Previous;
        let arguments = verbose();
        RealGateway::start(&GatewayOptions { release, arguments, ..GatewayOptions::default() })
    })
}

/// Runs the same command of the gateway's operator without the tap and through it.
pub(crate) fn both(gateway: &RealGateway, tap: &Wstap, args: &[&str]) -> (Run, Run) {
    let port = tap.addr.port().to_string();
    let direct = gateway.cli().run(args);
    let tapped = gateway.cli().run_with(args, &[("OPENCLAW_GATEWAY_PORT", &port)]);
    (direct, tapped)
}

/// Runs the same command on a machine of its own, with `--url` of the gateway and of the tap.
pub(crate) fn both_elsewhere(gateway: &RealGateway, tap: &Wstap, args: &[&str]) -> (Run, Run) {
    let cli = Cli::elsewhere(Release::Current);
    let run = |url: &str| cli.run(&[args, &["--url", url]].concat());
    (run(&gateway.url()), run(&tap.url()))
}

fn verbose() -> Vec<String> {
    ["--verbose", "--ws-log", "full"].map(str::to_owned).to_vec()
}

fn configured(more: &str) -> RealGateway {
    let config = format!(
        r#"{{
  "gateway": {{ "mode": "local", "bind": "loopback", "port": PORT, {more} "reload": {{ "mode": "hybrid" }} }},
  "logging": {{ "level": "debug", "file": "DIR/openclaw.jsonl" }},
  "update": {{ "checkOnStart": false }}
}}"#
    );
    let config = Some(config);
    RealGateway::start(&GatewayOptions {
        config,
        arguments: verbose(),
        ..GatewayOptions::default()
    })
}
