//! `wstap proxy`: from its options to a running proxy.

mod findings;
mod fingerprint_key;
mod options;
mod start;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::briefs::now;
use crate::proxy::{Bound, Console, Proxy, Settings};

pub(super) use fingerprint_key::fingerprint_key;
pub(super) use options::ProxyArgs;

impl ProxyArgs {
    /// Runs until a signal ends it.
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let quiet = self.quiet;
        let no_redact = self.no_redact;
        let console =
            if quiet { Console::quiet() } else { Console::stderr(self.log_format.into()) };
        init_tracing(&console);
        let settings: Settings = self.settings()?;
        let store = settings.store.display().to_string();
        let began = now();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // Only name look-ups and the store's farewell block, and they share answers.
            .max_blocking_threads(8)
            .build()
            .context("starting the runtime")?;
        runtime.block_on(async {
            let proxy = Proxy::bind(settings, console.clone())?;
            // Before anything is said: whoever reads it may signal at once.
            let stops = Stops::listen(&proxy)?;
            let text = start::text(proxy.bound(), &store, no_redact);
            if quiet {
                say_where(proxy.bound())?;
            } else {
                for line in text {
                    console.say(&line);
                }
            }
            proxy.run(stops.stop.cancelled_owned(), stops.now.cancelled_owned()).await?;
            console.say("stopped");
            if !quiet {
                for line in findings::of_run(Path::new(&store), began) {
                    console.say(&line);
                }
            }
            console.flush();
            Ok(Outcome::Done)
        })
    }
}

/// Even a quiet proxy says where it listens, for scripts that chose port 0.
fn say_where(bound: &[Bound]) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    for bound in bound {
        writeln!(stderr, "{}", start::listening(bound))?;
    }
    Ok(())
}

fn init_tracing(console: &Console) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let console = console.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || console.clone());
    // Somebody else's subscriber, as in tests, is as good.
    drop(subscriber.try_init());
}

/// The first SIGTERM or SIGINT drains, the second one ends at once. SIGHUP reads certificates.
struct Stops {
    stop: CancellationToken,
    now: CancellationToken,
}

impl Stops {
    fn listen(proxy: &Proxy) -> std::io::Result<Self> {
        let stops = Self { stop: CancellationToken::new(), now: CancellationToken::new() };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, now) = (stops.stop.clone(), stops.now.clone());
        tokio::spawn(async move {
            for token in [stop, now] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                token.cancel();
            }
        });
        let mut hang_up = signal(SignalKind::hangup())?;
        let (reload, reloads) = mpsc::channel(1);
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                if reload.send(()).await.is_err() {
                    return;
                }
            }
        });
        proxy.reload_on(reloads);
        Ok(stops)
    }
}
