//! Joined sessions as text for people.

use std::fmt::Write as _;

use super::delay::{Bounds, Delay};
use super::heads::Difference;
use super::pairing::By;
use super::{Joined, Pair};
use crate::session::SessionId;

/// Longer values are cut: the JSON has them whole.
const LONGEST: usize = 100;

/// Every pair, and what the two clocks are apart.
pub fn text(joined: &Joined) -> String {
    let mut text = String::new();
    if joined.swapped {
        text.push_str("the stores stand in the other order: the second one is in front\n");
    }
    if let Some(clock) = &joined.clock {
        let sure = if clock.consistent {
            ""
        } else {
            "; no single offset fits all that was seen, the clocks drift or were set"
        };
        put(
            &mut text,
            format_args!(
                "clock behind is {:+.3} ms off the clock in front, give or take {:.3} ms{sure}\n",
                clock.estimate_ms, clock.uncertainty_ms
            ),
        );
    }
    for pair in &joined.pairs {
        text.push('\n');
        one(&mut text, pair);
    }
    for (ids, where_) in [(&joined.only_front, "in front"), (&joined.only_behind, "behind")] {
        if !ids.is_empty() {
            let ids: Vec<&str> = ids.iter().map(SessionId::short).collect();
            put(&mut text, format_args!("\nonly {where_}: {}\n", ids.join(", ")));
        }
    }
    text
}

fn one(text: &mut String, pair: &Pair) {
    let by = match pair.by {
        By::Key => "by Sec-WebSocket-Key",
        By::Frames => "by the sizes of their frames",
        By::FramesAndTime => "by the sizes of their frames and the nearest time",
    };
    put(
        text,
        format_args!(
            "{} = {}  {}  {by}\n",
            pair.front.short(),
            pair.behind.short(),
            pair.started_at
        ),
    );
    differences(text, "request ", &pair.request);
    differences(text, "response", &pair.response);
    delay(text, "to the gateway", pair.to_gateway.as_ref());
    delay(text, "to the client", pair.to_client.as_ref());
    put(text, format_args!("  end       {}\n", pair.ended.says));
    if let Some(sharpened) = &pair.sharpened {
        put(
            text,
            format_args!(
                "  verdict   {}, {}: {}\n",
                sharpened.who.name(),
                sharpened.confidence.name(),
                sharpened.hop
            ),
        );
    }
}

fn differences(text: &mut String, which: &str, all: &[Difference]) {
    if all.is_empty() {
        put(text, format_args!("  {which}  unchanged\n"));
    }
    for found in all {
        let (before, after) = (values(&found.before), values(&found.after));
        put(text, format_args!("  {which}  {}: {before}  ->  {after}\n", found.name));
    }
}

fn values(all: &[String]) -> String {
    if all.is_empty() {
        return "(none)".to_owned();
    }
    let joined = all.join(" | ");
    if joined.chars().count() <= LONGEST {
        return joined;
    }
    let beginning: String = joined.chars().take(LONGEST - 3).collect();
    format!("{beginning}...")
}

fn delay(text: &mut String, way: &str, delay: Option<&Delay>) {
    let Some(delay) = delay else { return };
    put(
        text,
        format_args!(
            "  delay     {way}: median {}, longest {} ({} seen)\n",
            bounds(delay.median),
            bounds(delay.longest),
            delay.seen
        ),
    );
}

fn bounds(Bounds { at_least_ms, at_most_ms }: Bounds) -> String {
    if at_most_ms - at_least_ms < 0.001 {
        return format!("{at_most_ms:.3} ms");
    }
    format!("{at_least_ms:.3} to {at_most_ms:.3} ms")
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).unwrap_or_default();
}
