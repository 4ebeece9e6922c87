//! The tap end to end over real sockets: scripted upstreams and raw clients on both sides of one
//! `wstap proxy`, so that bytes and ends are exact.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod frame;
mod memory;
mod noise;
mod rig;
#[expect(clippy::allow_attributes, reason = "whether the next line is needed differs by target")]
#[allow(dead_code, reason = "shared with other targets; each uses its part")]
#[path = "../support/support.rs"]
mod support;
mod tls;
mod wire;

mod backpressure;
mod bytes;
mod dial;
mod drain;
mod edits;
mod ends;
mod heads;
mod http;
mod join;
mod keep_alive;
mod redaction;
mod robust;
mod start;
