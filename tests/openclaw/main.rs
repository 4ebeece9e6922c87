//! The pinned OpenClaw, gateway and CLI, with the tap between them and without it.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod checks;
mod cli;
mod gateway;
mod pinned;
mod program;
mod same;
mod shared;
#[expect(clippy::allow_attributes, reason = "whether the next line is needed differs by target")]
#[allow(dead_code, reason = "shared with other targets; each uses its part")]
#[path = "../support/support.rs"]
mod support;

mod calls;
mod control_ui;
mod direct;
mod faults;
mod log;
mod next_steps;
mod refusals;
mod tls;
mod verdicts;
