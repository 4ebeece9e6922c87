//! The `wstap` program: parse, run, map the outcome to an exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; also when the reader of our output went away |
//! | 1 | done, and there are findings, or a check failed |
//! | 2 | usage: something typed is wrong, the message says what to type |
//! | 3 | could not run: a store, a socket or a file cannot be used |
//! | 10 to 14 | a check, or a session by `wstap sessions --fail-on`, failed on transport, auth, pairing, origin, protocol |

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use wstap::cli::{Cli, FailedOn, Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| without_secrets(error).exit());
    let code = match cli.run() {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Findings) => 1,
        Ok(Outcome::FailedOn(layer)) => match layer {
            FailedOn::Transport => 10,
            FailedOn::Auth => 11,
            FailedOn::Pairing => 12,
            FailedOn::Origin => 13,
            FailedOn::Protocol => 14,
        },
        Err(error) => match Failure::of(&error) {
            Failure::ReaderGone => 0,
            Failure::Usage => complain(&error, 2),
            Failure::CouldNotRun => complain(&error, 3),
        },
    };
    ExitCode::from(code)
}

/// What was typed wrong is not said again where it may hold credentials: logs keep it.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    const MAY_HOLD: [&str; 4] = ["--upstream", "--via", "--set-header", "--url"];
    let arg = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if MAY_HOLD.iter().any(|name| arg.starts_with(name)) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    error
}

fn complain(error: &anyhow::Error, code: u8) -> u8 {
    anstream::eprintln!("error: {error:#}");
    code
}
