//! What the gateway's own log says of the session, next to what the wire shows.

use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::number;
use crate::timeline::{Agreement, By, GatewayWords, Said};

/// More lines than this are for `--json`.
const LINES_SHOWN: usize = 20;

pub(super) fn gateway_log(page: &mut Page, words: &GatewayWords, clock: &Clock) {
    if words.lines.is_empty() {
        return;
    }
    page.section("The gateway's log");
    if let Some(said) = &words.said {
        page.row("it says", &format!("{}: {}", said.words, agreement(said)));
    }
    // Its last lines tell of the end.
    let left_out = words.lines.len().saturating_sub(LINES_SHOWN);
    if left_out > 0 {
        let left_out = number(left_out as u64);
        page.row("...", &format!("{left_out} before these, all of them in `wstap show --json`"));
    }
    for joined in words.lines.iter().skip(left_out) {
        let at = joined.line.at.map(|at| clock.millis(at)).unwrap_or_default();
        let level = joined.line.level.as_deref().unwrap_or_default();
        let by = match joined.by {
            By::Port => "our port",
            By::Conn => "the connection's name",
        };
        page.line(&format!("{at}  {level}, joined by {by}"));
        page.under(&joined.line.message);
    }
}

fn agreement(said: &Said) -> String {
    let causes = said.causes.join(" or ");
    match said.agreement {
        Agreement::Agree => "the wire shows the same".to_owned(),
        Agreement::Disagree => {
            format!("THEY DISAGREE, for the wire does not show {causes}")
        }
        Agreement::NotComparable => "the wire neither shows that nor denies it".to_owned(),
    }
}
