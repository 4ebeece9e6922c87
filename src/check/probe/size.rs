//! A size above which frames die: MTU trouble, limits of a proxy. Sizes ride in the params of a
//! method that does not exist, after hello, for before it 64 KiB is the gateway's own limit.

use std::time::Instant;

use serde_json::json;

use super::Run;
use crate::check::eye::since;
use crate::check::line::{Line, Stop};
use crate::check::step::{Finding, Step};
use crate::session::Layer;
use crate::session::Record;
use crate::verdict;

/// Nobody serves it, so it changes nothing.
const METHOD: &str = "wstap.probe.size";

const SMALLEST: usize = 1024;
const STEP: usize = 4;

/// What a request has around its padding, at most.
const ENVELOPE: usize = 256;

/// How narrow the answer is made, by further connections.
const BISECTIONS: u32 = 6;

impl Run<'_> {
    /// Ends the session too.
    pub(super) async fn sizes(&mut self, mut line: Line, limit: Option<usize>) {
        let most = self.settings.max_frame.min(limit.unwrap_or(usize::MAX));
        if most < SMALLEST {
            line.leave().await;
            self.push(Step::skipped("sizes", "not asked for"));
            return;
        }
        let began = Instant::now();
        let mut largest = 0;
        for size in sizes_up_to(most) {
            if let Err(stop) = tried(&mut line, size).await {
                let record = left(line, stop).await;
                let (passes, dies) = self.narrowed(largest, size).await;
                let cause = verdict::judge(&record);
                let detail = format!(
                    "a frame of {passes} bytes passes, one of {dies} does not: {}",
                    cause.summary
                );
                let next = [
                    "look for a limit of a proxy on the way: buffers, body size, message size",
                    "a size near 1400 speaks for a path MTU that nobody is told of",
                ];
                let finding = Finding::own(Layer::Transport, "frame_size_limit", &next);
                let step = Step::failed("sizes", since(began), detail, finding);
                self.push(step.fact("passes", passes).fact("dies", dies).fact("as", cause.cause));
                return;
            }
            largest = size;
        }
        line.leave().await;
        let detail = format!("frames up to {largest} bytes pass");
        self.push(Step::ok("sizes", since(began), detail).fact("passes", largest));
    }

    /// Each try has a connection of its own, for the last one died of it.
    async fn narrowed(&self, mut passes: usize, mut dies: usize) -> (usize, usize) {
        for _ in 0..BISECTIONS {
            let middle = usize::midpoint(passes, dies);
            if dies - passes < SMALLEST / 4 {
                break;
            }
            let Some(mut line) = self.welcomed().await else { break };
            if tried(&mut line, middle).await.is_ok() {
                passes = middle;
                line.leave().await;
            } else {
                dies = middle;
            }
        }
        (passes, dies)
    }

    /// A further session, past hello.
    pub(super) async fn welcomed(&self) -> Option<Line> {
        let mut line = self.caller.open(self.settings.origin.as_deref()).await.ok()?;
        let challenge = line.challenge().await.ok()?;
        let hello = line.connect(self.visitor(), &challenge).await.ok()?;
        hello.ok.then_some(line)
    }
}

fn sizes_up_to(most: usize) -> impl Iterator<Item = usize> {
    let grown = std::iter::successors(Some(SMALLEST), |size| size.checked_mul(STEP));
    grown.take_while(move |size| *size < most).chain([most])
}

/// Any answer will do: it shows that the frame arrived.
async fn tried(line: &mut Line, size: usize) -> Result<(), Stop> {
    let pad: String =
        (0..size.saturating_sub(ENVELOPE)).map(|_| fastrand::alphanumeric()).collect();
    line.call(METHOD, &json!({ "pad": pad })).await.map(drop)
}

async fn left(mut line: Line, stop: Stop) -> Record {
    if stop == Stop::TimedOut {
        line.close(1000, "").await;
    }
    line.eye().record()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Calls;

    #[test]
    fn a_tap_on_the_way_knows_the_call_as_wstap_s_own() {
        assert!(METHOD.starts_with(Calls::OWN));
    }

    #[test]
    fn sizes_grow_and_end_at_the_limit() {
        let sizes = |most| sizes_up_to(most).collect::<Vec<_>>();
        assert_eq!(sizes(1024), [1024]);
        assert_eq!(sizes(70_000), [1024, 4096, 16_384, 65_536, 70_000]);
    }
}
