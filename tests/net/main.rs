//! Legs over real sockets: how they open, how they end, and what is told of it.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod accept;
mod certificates;
mod connect;
mod ends;
mod pairs;
mod tls;
mod via;

use std::{future::Future, time::Duration};

/// No test waits longer than this for anything, also on a busy machine.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("within 30 seconds")
}
