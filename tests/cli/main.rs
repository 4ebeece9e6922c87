//! The whole command as a user meets it: exit code, stdout and stderr, as snapshots.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

#[path = "../support/sample.rs"]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times written by hand are small"
)]
mod sample;

mod explain;
mod findings;
mod follow;
mod gateway_log;
mod help;
mod sessions;
mod show;
mod verdict;
mod wstap;
