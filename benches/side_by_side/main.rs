//! The tap with recording on, side by side in one run with a blind relay and the proxies people use.
//! How to run it and how to read it: `benches/README.md`.

mod blind;
mod certificate;
mod cpu;
mod frame;
mod handshake;
mod idle;
mod job;
mod load_client;
mod load_server;
mod mitmproxy;
mod peer_config;
mod peers;
mod process;
mod results;
mod role;
mod rows;
mod run;
mod sample;
mod table;
mod targets;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum as _};

use crate::peers::System;
use crate::role::Role;
use crate::rows::Row;
use crate::run::Plan;
use crate::sample::Scale;

/// Measures the tap beside other proxies and prints Markdown.
#[derive(Parser)]
#[command(name = "side_by_side", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Rounds per row; each round visits every system once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Timed part of a sample in milliseconds.
    #[arg(long, default_value_t = 700)]
    window_ms: u64,
    /// Rows to measure, separated by commas; all without it.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Systems to measure, separated by commas; all without it.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<System>,
    /// Idle sessions whose memory is measured.
    #[arg(long, default_value_t = 2000)]
    sessions: usize,
    /// Length of the long stream in MiB.
    #[arg(long, default_value_t = 10 * 1024)]
    stream_mib: u64,
    /// `cargo bench` says that it is the caller; `cargo test` does not, and nothing is measured then.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

fn main() -> ExitCode {
    match measure_or_play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr gone there is nobody left to tell.
            let _told = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure_or_play() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(role) = arguments.role {
        return role.run();
    }
    let mut stdout = std::io::stdout();
    if !arguments.bench {
        writeln!(stdout, "side_by_side measures only under `cargo bench --bench side_by_side`.")?;
        return Ok(());
    }
    let plan = Plan {
        rounds: arguments.rounds.max(1),
        scale: Scale {
            window: Duration::from_millis(arguments.window_ms),
            idle_sessions: arguments.sessions,
            stream_mib: arguments.stream_mib,
        },
        rows: or_all(arguments.rows, Row::value_variants()),
        systems: or_all(arguments.peers, System::value_variants()),
    };
    let report = run::run(&plan)?;
    write!(stdout, "{report}")?;
    Ok(())
}

/// What was asked for, in the order of the table and each once; everything when nothing was.
fn or_all<T: Copy + Ord>(mut chosen: Vec<T>, all: &[T]) -> Vec<T> {
    if chosen.is_empty() {
        return all.to_vec();
    }
    chosen.sort();
    chosen.dedup();
    chosen
}

/// Tells the parent which port the kernel gave.
fn announce(port: u16) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{port}")?;
    stdout.flush()
}
