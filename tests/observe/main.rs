//! The observer, driven by scripts with a clock moved by hand.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod capture;
mod cuts;
mod exchange;
mod frames;
mod script;
mod traces;
