//! The program under test, blind to the environment of whoever runs the tests.

use std::process::Command;
use std::time::Duration;

use crate::support::child::Run;

const DEADLINE: Duration = Duration::from_mins(2);

/// What it did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    #[expect(dead_code, reason = "shown when a test fails")]
    pub(crate) stderr: String,
}

pub(crate) fn wstap(args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstap"));
    command.args(args).env_clear().env("HOME", "/nonexistent").envs(environment.iter().copied());
    let run = Run::of(&mut command, DEADLINE);
    Ran { code: run.code.expect("a code"), stdout: run.stdout, stderr: run.stderr }
}
