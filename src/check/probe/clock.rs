//! How far the gateway's clock is from ours.

use jiff::fmt::rfc2822;
use serde_json::json;

use crate::check::http::Answer;
use crate::check::line::Challenge;
use crate::check::step::Step;
use crate::session::{Offset, Wall};

/// Below this nobody notices.
const TOLERATED_MS: u64 = 2_000;

/// How old or early a device signature may be; current clients sign the gateway's own time.
const SIGNATURE_MS: u64 = 120_000;

/// A Date header, which is in whole seconds, and our clock when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated {
    server_ms: i64,
    ours: Wall,
}

impl Dated {
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let date = answer.head.header("date")?;
        let zoned = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
        Some(Self { server_ms: zoned.as_millisecond(), ours: answer.at })
    }

    /// Within a second either way.
    const fn offset_ms(self) -> i64 {
        self.server_ms + 500 - self.ours.micros() / 1000
    }
}

/// The challenge's time stamp was taken half a round trip before it came.
pub(super) fn step(challenge: &Challenge, round_trip: Offset, dated: Option<Dated>) -> Step {
    let took = Offset::default();
    let received = challenge.received.micros() / 1000;
    let half = i64::try_from(round_trip.micros() / 2000).unwrap_or_default();
    let by_challenge = challenge.ts.map(|ts| ts.saturating_sub(received - half));
    let by_date = dated.map(Dated::offset_ms);
    let Some(offset) = by_challenge.or(by_date) else {
        return Step::skipped("clock", "the gateway does not say its time");
    };
    let side = if offset < 0 { "behind" } else { "ahead of" };
    let detail = format!("the gateway's clock is {} ms {side} ours", offset.unsigned_abs());
    let step = if offset.unsigned_abs() > SIGNATURE_MS {
        let detail = format!("{detail}; older clients' device signatures fail beyond 120 s");
        Step::info("clock", took, detail)
    } else if offset.unsigned_abs() > TOLERATED_MS {
        Step::info("clock", took, format!("{detail}: logs of both do not line up"))
    } else {
        Step::ok("clock", took, detail)
    };
    step.fact("offset_ms", offset)
        .fact("by", json!({ "challenge_ms": by_challenge, "date_header_ms": by_date }))
}
