//! `wstap explain`: what a close code, a reason or a cause means, without any session.

use std::io::Write;

use anyhow::bail;
use serde::Serialize;

use super::{Outcome, UsageError};
use crate::report::{self, Rows};
use crate::verdict::{
    CodeExplanation, Explanation, causes, explain_cause, explain_code, explain_reason,
};

/// Explain a close code, an error that a client printed, or a cause, and what to do about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wstap explain 1006
  wstap explain 1008 pairing required
  wstap explain 'gateway closed (1008): unauthorized: gateway token mismatch'
  wstap explain token_mismatch")]
pub(super) struct ExplainArgs {
    /// A close code, a reason or an error as it was printed, or the name of a cause.
    #[arg(required_unless_present = "list", allow_hyphen_values = true)]
    what: Vec<String>,
    /// List every cause.
    #[arg(long, conflicts_with = "what")]
    list: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was found to say.
#[derive(Serialize)]
struct Found {
    /// What the text names.
    cause: Option<Explanation>,
    code: Option<CodeExplanation>,
}

impl ExplainArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let text = if self.list {
            list(self.json)?
        } else {
            let found = find(&self.what.join(" "))?;
            if self.json { report::document(&found)? + "\n" } else { page(&found) }
        };
        anstream::stdout().lock().write_all(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

fn list(json: bool) -> anyhow::Result<String> {
    if json {
        return Ok(report::document(&causes())? + "\n");
    }
    let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
    let mut rows = Rows::new(&["CAUSE", "LAYER", "MEANING"], &[], width).wrapping_only(&[2]);
    for cause in causes() {
        rows.add([cause.cause, cause.layer.name().to_owned(), cause.meaning]);
    }
    Ok(rows.to_string())
}

fn find(text: &str) -> anyhow::Result<Found> {
    // A terminal that wrapped the text put line ends into it.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(cause) = explain_cause(&text) {
        return Ok(Found { cause: Some(cause), code: None });
    }
    let found = Found { cause: explain_reason(&text), code: close_code(&text).map(explain_code) };
    if found.cause.is_none() && found.code.is_none() {
        bail!(UsageError(format!(
            "{text:?} is no cause, and nothing in it is a close code or a reason that wstap knows; \
             `wstap explain --list` lists the causes"
        )));
    }
    Ok(found)
}

/// The first number that can be a close code (RFC 6455 §7.4.2) and no more than that.
fn close_code(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-')
        .filter_map(|word| word.trim_matches(['.', '-']).parse().ok())
        .find(|code| (1000..5000).contains(code))
}

fn page(found: &Found) -> String {
    let mut advice = report::Advice::default();
    if let Some(Explanation { cause, layer, meaning, next }) = &found.cause {
        advice.cause(cause, *layer, meaning, next);
    }
    if let Some(CodeExplanation { code, name, meaning, causes }) = &found.code {
        advice.code(*code, name, meaning);
        let others = causes.iter().filter(|cause| found.cause.as_ref() != Some(*cause));
        if found.cause.is_none() {
            for Explanation { cause, layer, meaning, next } in others {
                advice.cause(cause, *layer, meaning, next);
            }
        } else {
            advice.others(others.map(|cause| cause.cause.as_str()));
        }
    }
    advice.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_is_found_where_clients_print_it() {
        for (text, code) in [
            ("1006", Some(1006)),
            ("gateway closed (1008): pairing required", Some(1008)),
            ("code=4008 reason=x", Some(4008)),
            ("closed with 1011.", Some(1011)),
            ("connect ECONNREFUSED 127.0.0.1:18789", None),
            ("at 2026-11-20", None),
            ("Unexpected server response: 502", None),
            ("timeout after 10000 ms", None),
        ] {
            assert_eq!(close_code(text), code, "{text}");
        }
    }
}
