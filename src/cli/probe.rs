//! `wstap probe`: is the way to this gateway open, and where is it not.
#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

mod device;
mod secret;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use self::device::DeviceArgs;
use self::secret::SecretArgs;
use super::reach::{ReachArgs, runtime};
use super::{Outcome, say};
use crate::check::{
    self, Counting, Holding, ProbeReport, ProbeSettings, both, compare, junit, ladder, markdown,
};
use crate::report::clean_json;

/// Try the way to a gateway, step by step
///
/// Resolves the name, connects to every address, shakes hands, asks /healthz and /readyz, upgrades,
/// says connect, calls once, compares clocks, pings and tries growing frames. Each step has its own
/// time and verdict; the first broken one is told with what to do. Run it where the client runs: a
/// check in another network namespace proves nothing.
///
/// It changes nothing on the gateway unless --device is given. Exits with 10 to 14 by the layer of
/// the first broken step: transport, auth, pairing, origin, protocol.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wstap probe ws://127.0.0.1:18789                        with OPENCLAW_GATEWAY_TOKEN set
  wstap probe wss://gw.example/ws --config openclaw.json  with the secret of that file
  wstap probe ws://gateway:18789 --compare ws://localhost:18789
  wstap probe ws://127.0.0.1:8080 --hold 90s              who cuts idle sessions?")]
pub(super) struct ProbeArgs {
    /// What to probe: ws://, wss://, http://, https:// or unix:/path
    url: String,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    trials: Trials,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is tried")]
struct Trials {
    /// Send this Origin header, as a browser would
    #[arg(long)]
    origin: Option<String>,
    /// Call this method after hello instead of health; choose one that only reads
    #[arg(long, value_name = "METHOD", conflicts_with = "channels")]
    call: Option<String>,
    /// The params of --call, as JSON
    #[arg(long, value_name = "JSON", requires = "call", value_parser = json_value)]
    params: Option<Value>,
    /// Call channels.status with its probe: are the channels connected?
    #[arg(long)]
    channels: bool,
    /// Try frames up to this size, as 1MiB; 0 for none
    #[arg(long, value_name = "SIZE", default_value = "256KiB", value_parser = size)]
    max_frame: usize,
    /// How many pings to send
    #[arg(long, value_name = "N", default_value_t = 5)]
    pings: u32,
    /// Connect so many times, and see how often it works
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// How many percent of --count must work
    #[arg(long, value_name = "PERCENT", default_value_t = 97.0, value_parser = percent)]
    threshold: f64,
    /// Keep two sessions open for so long, one with pings and one without: is either cut?
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    hold: Option<Duration>,
    /// How often the one session of --hold pings
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    ping_every: Duration,
    /// Probe this URL too, and print what differs
    #[arg(long, value_name = "URL")]
    compare: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// One JSON document
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// A Markdown table, to paste into a ticket
    #[arg(long)]
    markdown: bool,
    /// Write a JUnit report to this file as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl ProbeArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let first = self.settings(&self.url)?;
        let second = self.trials.compare.as_deref().map(|url| self.settings(url)).transpose()?;
        if let Some(device) = &first.device {
            say(&device::what_it_leaves(device));
        }
        let (first, second) = runtime()?.block_on(async {
            let first = check::probe(&first).await?;
            let second = match &second {
                Some(settings) => Some(check::probe(settings).await?),
                None => None,
            };
            anyhow::Ok((first, second))
        })?;
        let reports: Vec<&ProbeReport> =
            [Some(&first), second.as_ref()].into_iter().flatten().collect();
        if let Some(path) = &self.output.junit {
            fs::write(path, junit(&reports))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let broken = reports.iter().find(|report| report.broken.is_some()).map(|r| r.layer);
        self.output.print(first, second)?;
        Ok(broken.map_or(Outcome::Done, Outcome::failed_on))
    }

    fn settings(&self, url: &str) -> anyhow::Result<ProbeSettings> {
        let Trials { origin, max_frame, pings, count, threshold, hold, ping_every, .. } =
            &self.trials;
        Ok(ProbeSettings {
            target: self.reach.target(url)?,
            reach: self.reach.reach(),
            credentials: self.secret.credentials()?,
            origin: origin.clone(),
            device: self.device.choice()?,
            call: self.trials.call(self.reach.reach().patience),
            max_frame: *max_frame,
            pings: *pings,
            count: count.map(|times| Counting { times, threshold: *threshold }),
            hold: hold.map(|time| Holding { time, ping_every: *ping_every }),
        })
    }
}

impl Trials {
    fn call(&self, patience: Duration) -> Option<(String, Value)> {
        if self.channels {
            // The gateway is to give up before we do.
            let params = json!({ "probe": true, "timeoutMs": patience.as_millis() * 8 / 10 });
            return Some(("channels.status".to_owned(), params));
        }
        let params = self.params.clone().unwrap_or_else(|| json!({}));
        self.call.clone().map(|method| (method, params))
    }
}

impl Output {
    fn print(&self, first: ProbeReport, second: Option<ProbeReport>) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        match (second, self.json, self.markdown) {
            (None, true, _) => {
                writeln!(out, "{}", clean_json(serde_json::to_string_pretty(&first)?))?;
            }
            (None, false, true) => write!(out, "{}", markdown(&first))?,
            (None, false, false) => write!(out, "{}", ladder(&first))?,
            (Some(second), true, _) => {
                let comparison = compare(first, second);
                writeln!(out, "{}", clean_json(serde_json::to_string_pretty(&comparison)?))?;
            }
            (Some(second), false, true) => {
                write!(out, "{}\n{}", markdown(&first), markdown(&second))?;
            }
            (Some(second), false, false) => write!(out, "{}", both(&compare(first, second)))?,
        }
        Ok(out.flush()?)
    }
}

fn size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize = text.parse().map_err(|_| "type a size as 64KiB or 1MiB")?;
    usize::try_from(size.as_u64()).map_err(|_| "that is too much".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').parse().map_err(|_| "type a number")?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("type 0 to 100".to_owned()) }
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
