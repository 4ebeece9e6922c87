//! `wstap front`: what a reverse proxy does to WebSockets, seen from both of its ends.
#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::reach::{ReachArgs, runtime};
use super::{Outcome, UsageError, say};
use crate::accept::{ListenSpec, Listener};
use crate::check::{FrontSettings, Proxy, Reload, front, front_junit, front_markdown, front_table};

/// Check what a reverse proxy does to WebSockets: client in front of it, upstream behind it
#[derive(Debug, Args)]
#[command(after_help = "\
Point the proxy's upstream at --listen, then:
  wstap front --through ws://127.0.0.1:8080/ --listen 127.0.0.1:18790
  wstap front --through wss://gateway.example/ --listen 0.0.0.0:18790 --quick
  wstap front --through ws://127.0.0.1:8080/ --listen 18790 --on-reload 20s

Exit code 0 without a finding, 1 with one, 3 if nothing of the proxy could be seen.")]
pub(super) struct FrontArgs {
    /// The proxy, as clients dial it: ws://, wss://, http:// or https://, with a path if need be
    #[arg(long, value_name = "URL")]
    through: String,
    /// Where the proxy finds its upstream: ADDR:PORT, PORT (loopback) or unix:/path
    #[arg(long, value_name = "ADDR")]
    listen: ListenSpec,
    /// How long silence is measured
    #[arg(long, value_name = "TIME", default_value = "70s", value_parser = humantime::parse_duration)]
    idle_max: Duration,
    /// Leave out what waits: silence, pings, slow answers
    #[arg(long)]
    quick: bool,
    /// Also watch a session while you reload the proxy: until Enter, or for this time
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "enter")]
    on_reload: Option<OnReload>,
    /// Whose directives to name, where the proxy does not say what it is
    #[arg(long, value_enum, value_name = "NAME")]
    proxy: Option<ProxyArg>,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// One JSON document
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Markdown tables, to paste into a ticket
    #[arg(long)]
    markdown: bool,
    /// Write a JUnit report to this file as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum OnReload {
    Enter,
    Within(Duration),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProxyArg {
    Nginx,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
    Apache,
}

impl std::str::FromStr for OnReload {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "enter" => Ok(Self::Enter),
            time => humantime::parse_duration(time).map(Self::Within),
        }
    }
}

impl From<ProxyArg> for Proxy {
    fn from(proxy: ProxyArg) -> Self {
        match proxy {
            ProxyArg::Nginx => Self::Nginx,
            ProxyArg::Caddy => Self::Caddy,
            ProxyArg::Haproxy => Self::Haproxy,
            ProxyArg::Traefik => Self::Traefik,
            ProxyArg::Envoy => Self::Envoy,
            ProxyArg::Apache => Self::Apache,
        }
    }
}

impl FrontArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        if self.listen.is_tls() {
            let text = "--listen tls:// is not offered here: let the proxy speak plain HTTP to it";
            return Err(UsageError(text.to_owned()).into());
        }
        let runtime = runtime()?;
        let (settings, output) = self.settings(&runtime)?;
        let report = runtime.block_on(front(settings))?;
        if let Some(path) = &output.junit {
            fs::write(path, front_junit(&report))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let text = if output.json {
            serde_json::to_string_pretty(&report)? + "\n"
        } else if output.markdown {
            front_markdown(&report)
        } else {
            front_table(&report)
        };
        write!(anstream::stdout().lock(), "{text}")?;
        // A thread may still wait for Enter.
        runtime.shutdown_background();
        Ok(if report.findings > 0 { Outcome::Findings } else { Outcome::Done })
    }

    fn settings(self, runtime: &Runtime) -> anyhow::Result<(FrontSettings, Output)> {
        let target = self.reach.target(&self.through)?;
        let listener = {
            let _inside = runtime.enter();
            Listener::bind(&self.listen)?
        };
        let (through, at) = (target.shown(), listener.name());
        say(&format!("listening at {at} as the upstream of the proxy at {through}"));
        let settings = FrontSettings {
            target,
            reach: self.reach.reach(),
            listener,
            idle_max: (!self.quick).then_some(self.idle_max),
            proxy: self.proxy.map(Proxy::from),
            reload: self.on_reload.map(|reload| match reload {
                OnReload::Enter => Reload::When(enter),
                OnReload::Within(time) => Reload::Within(time),
            }),
            tell: say,
        };
        Ok((settings, self.output))
    }
}

/// Resolves when the user presses Enter, or has no keyboard.
fn enter() -> oneshot::Receiver<()> {
    let (pressed, done) = oneshot::channel();
    say("press Enter when it is done");
    std::thread::spawn(move || {
        let mut line = String::new();
        if let Err(error) = io::stdin().lock().read_line(&mut line) {
            tracing::debug!(%error, "no keyboard");
        }
        // Nobody waits any more when the session was cut before.
        pressed.send(()).unwrap_or_default();
    });
    done
}
