//! The parts this executable plays as a child of itself, so that CPU time of load and relay never mix.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::load_client::{self, Load, Outcome};
use crate::{blind, idle, load_server};

/// A load that has not ended by now waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(90);
/// A long stream may take as long as this many MiB a second need.
const SLOWEST_MIB_PER_SECOND: u64 = 10;

#[derive(Subcommand)]
#[command(hide = true)]
pub(crate) enum Role {
    /// The load server.
    Serve,
    /// The blind relay.
    Relay { upstream: SocketAddr },
    /// A load client.
    Load(LoadArguments),
}

#[derive(Args)]
pub(crate) struct LoadArguments {
    #[arg(long)]
    proxy: SocketAddr,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    Down {
        connections: usize,
        size: usize,
        #[arg(long)]
        window_ms: u64,
    },
    Up {
        connections: usize,
        size: usize,
        #[arg(long)]
        window_ms: u64,
        #[arg(long)]
        server: SocketAddr,
    },
    Echo {
        connections: usize,
        #[arg(long)]
        window_ms: u64,
    },
    Upgrades {
        connections: usize,
        #[arg(long)]
        window_ms: u64,
    },
    Idle {
        sessions: usize,
        #[arg(long)]
        trust: Option<PathBuf>,
    },
    Bulk {
        size: usize,
        frames: u64,
    },
}

impl Role {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // The same two workers for the relay as nginx and HAProxy are given.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Serve => load_server::run().await,
                Self::Relay { upstream } => blind::run(upstream).await,
                Self::Load(load) => load.run().await,
            }
        })
    }
}

impl LoadArguments {
    async fn run(self) -> anyhow::Result<()> {
        let patience = self.kind.patience();
        if let Kind::Idle { sessions, trust } = self.kind {
            return idle::hold(self.proxy, sessions, trust.as_deref()).await;
        }
        let outcome = tokio::time::timeout(patience, self.kind.measure(self.proxy))
            .await
            .with_context(|| format!("not finished after {} s", patience.as_secs()))??;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", serde_json::to_string(&outcome)?)?;
        Ok(())
    }
}

impl Kind {
    fn patience(&self) -> Duration {
        match self {
            Self::Bulk { frames, .. } => {
                PATIENCE + Duration::from_secs(frames / SLOWEST_MIB_PER_SECOND)
            }
            Self::Down { .. }
            | Self::Up { .. }
            | Self::Echo { .. }
            | Self::Upgrades { .. }
            | Self::Idle { .. } => PATIENCE,
        }
    }

    async fn measure(self, proxy: SocketAddr) -> anyhow::Result<Outcome> {
        let load = |connections, window_ms| Load {
            proxy,
            connections,
            window: Duration::from_millis(window_ms),
        };
        match self {
            Self::Down { connections, size, window_ms } => {
                load_client::down(load(connections, window_ms), size).await
            }
            Self::Up { connections, size, window_ms, server } => {
                load_client::up(load(connections, window_ms), size, server).await
            }
            Self::Echo { connections, window_ms } => {
                load_client::echo(load(connections, window_ms)).await
            }
            Self::Upgrades { connections, window_ms } => {
                load_client::upgrades(load(connections, window_ms)).await
            }
            Self::Bulk { size, frames } => load_client::bulk(proxy, size, frames).await,
            Self::Idle { sessions, trust } => {
                idle::hold(proxy, sessions, trust.as_deref()).await?;
                Ok(Outcome::default())
            }
        }
    }
}
