//! nginx, caddy and haproxy in front of the tap and behind it: what a client sees is the same as
//! without the tap, and the record shows what the front did from where the tap stood.
//! tshark, as an oracle, sees the same frames on both legs as the store holds.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod caddy;
mod client;
mod front;
mod haproxy;
mod joined;
mod next_steps;
mod nginx;
mod oracle;
mod probe;
mod row;
mod says;
mod summary;
#[expect(clippy::allow_attributes, reason = "whether the next line is needed differs by target")]
#[allow(dead_code, reason = "shared with other targets; each uses its part")]
#[path = "../support/support.rs"]
mod support;
mod through;
