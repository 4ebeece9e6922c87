//! The end of a session whose leg died: what the dead leg had sent is delivered, within a bound,
//! and then the other leg gets a reset too.

use std::future::poll_fn;

use std::time::{Duration, Instant};

use super::half::{Ends, Half};
use super::{Seen, Watch};
use crate::socket::Failure;

/// How long delivery may take. A zero-linger close throws away whatever the far side has not
/// acknowledged by then.
const BOUND: Duration = Duration::from_secs(2);

/// The first wait between two looks at the send queue; it doubles up to [`SLOWEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_micros(500);
const SLOWEST_LOOK: Duration = Duration::from_millis(20);

/// Delivers what `half` still holds and what its dead source had sent, then prepares the sink's
/// socket to be closed by a reset. The caller drops both streams.
pub(super) async fn tear_down(
    half: &mut Half,
    mut ends: Ends<'_>,
    failure: &Failure,
    far_source_ended: bool,
    watch: &mut impl Watch,
) {
    let died = Instant::now();
    let deadline = tokio::time::Instant::from_std(died + BOUND);
    let both_fins = half.is_finished() && far_source_ended;
    let drained = poll_fn(|cx| half.drain(cx, &mut ends, watch));
    // Past the bound the rest is counted as undelivered below.
    let in_time = tokio::time::timeout_at(deadline, drained).await.is_ok();
    if in_time && !both_fins {
        wait_for_delivery(&ends, deadline).await;
    }
    let undelivered = half.held_bytes() + u64::from(ends.to.unsent().unwrap_or(0));
    let leg = half.direction.source();
    watch.ended(leg, died, Seen::of(failure, undelivered));
    let passed = !both_fins && ends.to.set_zero_linger().is_ok();
    if !passed {
        watch.ended(leg.other(), Instant::now(), Seen::ResetNotPassed);
    }
}

/// Until the far side's kernel has acknowledged everything.
async fn wait_for_delivery(ends: &Ends<'_>, deadline: tokio::time::Instant) {
    let mut look = FIRST_LOOK;
    while ends.to.unsent().is_some_and(|bytes| bytes > 0)
        && tokio::time::Instant::now() + look < deadline
    {
        tokio::time::sleep(look).await;
        look = (look * 2).min(SLOWEST_LOOK);
    }
}
