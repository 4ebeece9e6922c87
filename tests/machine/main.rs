//! The tap on a machine that fails it: killed under load, a full disk, no descriptors, thousands
//! of sessions, readers that stop, streams without an end.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod client;
mod disk;
mod ground;
mod records;
mod straight;
#[expect(clippy::allow_attributes, reason = "whether the next line is needed differs by target")]
#[allow(dead_code, reason = "shared with other targets; each uses its part")]
#[path = "../support/support.rs"]
mod support;
mod tap;
mod upstream;
mod watch;
mod wire;

mod descriptors;
mod full_disk;
mod killed;
mod long_stream;
mod many;
mod stalled_reader;
mod stopped;
mod two_taps;
