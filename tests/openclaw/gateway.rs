//! A real gateway as a child process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::cli::Cli;
use crate::pinned::{self, Release};
use crate::support::child::{self, Run};
use crate::support::free_port;
use crate::support::warden::Warden;

const READY: Duration = Duration::from_secs(150);
const PORTS_TRIED: usize = 3;

#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayOptions {
    pub(crate) release: Release,
    /// The whole openclaw.json, with `PORT`, `TOKEN` and `DIR` where they go; without it, token
    /// auth on loopback.
    pub(crate) config: Option<String>,
    /// More arguments of `gateway run`, for instance `--verbose`.
    pub(crate) arguments: Vec<String>,
    /// More environment of the gateway alone, as `NAME=value`.
    pub(crate) environment: Option<&'static str>,
}

/// A real gateway, ready to be dialled. Dropped, it is killed with all it started.
#[derive(Debug)]
pub(crate) struct RealGateway {
    pub(crate) port: u16,
    pub(crate) token: String,
    release: Release,
    leader: u32,
    /// Dropped before the folder.
    _warden: Warden,
    folder: TempDir,
}

impl RealGateway {
    pub(crate) fn start(options: &GatewayOptions) -> Self {
        let mut complaint = String::new();
        for _ in 0..PORTS_TRIED {
            match Self::start_on(free_port(), options) {
                Ok(gateway) => return gateway,
                Err(said) => complaint = said,
            }
            // The port was free only at the time of asking.
            if !complaint.contains("EADDRINUSE") && !complaint.contains("already in use") {
                break;
            }
        }
        panic!("the gateway does not start: {complaint}");
    }

    fn start_on(port: u16, options: &GatewayOptions) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let token = throw_away_token(folder.path());
        if let Some(config) = &options.config {
            let config = config
                .replace("PORT", &port.to_string())
                .replace("TOKEN", &token)
                .replace("DIR", &folder.path().display().to_string());
            std::fs::write(folder.path().join("openclaw.json"), config).expect("a config file");
        }
        let mut script = Command::new("bash");
        script
            .arg(pinned::folder().join("gateway.sh"))
            .arg(folder.path())
            .args([&port.to_string(), &token, "--"])
            .args(&options.arguments)
            .env("OPENCLAW_PKG", options.release.folder())
            .env("NODE_COMPILE_CACHE", pinned::compile_cache());
        if let Some(environment) = options.environment {
            script.env("GATEWAY_ENVIRONMENT", environment);
        }
        let warden = Warden::of(&folder.path().join("gateway.pid"), folder.path());
        let run = Run::of(&mut script, READY);
        let leader = run.stdout.trim().parse();
        match (run.code, leader) {
            (Some(0), Ok(leader)) => {
                let release = options.release;
                Ok(Self { port, token, release, leader, _warden: warden, folder })
            }
            _ => Err(run.stderr),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Sends `KILL`, `STOP` ... to all its processes: its launcher passes on what it can catch.
    pub(crate) fn signal(&self, signal: &str) {
        child::send(signal, &format!("-{}", self.leader));
    }

    /// Asks it to go, as a service manager would.
    pub(crate) fn terminate(&self) {
        child::send("TERM", &self.leader.to_string());
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's own name for the connection that came from this local port, shortened as it
    /// stands in the log of `--verbose --ws-log full`.
    pub(crate) fn connection_from(&self, port: u16) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|line| {
            line.contains("\u{2190} open ") && line.contains(&format!("remotePort={port} "))
        })?;
        let (_, conn) = line.split_once("conn=")?;
        Some(conn.chars().take_while(|&c| c.is_ascii_hexdigit() || c == '\u{2026}').collect())
    }

    /// The JSON lines it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("openclaw.jsonl")).unwrap_or_default()
    }

    /// The CLI as the operator of this very gateway runs it: same config, same state.
    pub(crate) fn cli(&self) -> Cli<'_> {
        Cli::of_gateway(self.release, self.folder.path())
    }
}

/// Different in every run, so that finding it somewhere proves that this run put it there.
fn throw_away_token(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("throw-away-{}", name.trim_start_matches('.'))
}
