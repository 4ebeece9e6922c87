//! What every test here stands on: its turn, room for descriptors, and threads for its ends.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Builder, Runtime};

use crate::upstream;

/// Both ends of 5,000 sessions, and some more.
const DESCRIPTORS: u32 = 12_000;

/// These tests measure times and memory, so they run one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// The runtime of both ends, and an upstream that echoes.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) runtime: Runtime,
    pub(crate) upstream: SocketAddr,
    _turn: MutexGuard<'static, ()>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let turn = take_turn();
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(2).enable_all().build().expect("a runtime");
        let upstream = upstream::echo(runtime.handle());
        Self { runtime, upstream, _turn: turn }
    }
}

pub(crate) fn take_turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let raised = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .arg(format!("--nofile={DESCRIPTORS}:"))
        .status()
        .expect("prlimit runs");
    assert!(raised.success(), "{DESCRIPTORS} descriptors are not to be had: see ulimit -Hn");
    turn
}
