//! What a joined pair adds to the verdict of each of its records.

use serde::Serialize;

use super::cut::{EndedBy, ended};
use crate::session::{Confidence, Layer, Record, State, Verdict, Who};

/// Who it was, now that both sides of the hop are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sharpened {
    pub who: Who,
    pub confidence: Confidence,
    /// The part of the path that is to be looked at.
    pub hop: String,
    /// One sentence.
    pub says: String,
}

/// Compares the records of a tap in front of a hop and of one behind it. Nothing when the pair
/// tells no more than each of them.
pub fn sharpen(front: &Record, behind: &Record) -> Option<Sharpened> {
    let ended = ended(front, behind, None);
    let between = format!("between {} and {}", dialled(front), behind.client.listener);
    let (who, hop) = match ended.by {
        EndedBy::Hop if heads_pass_unchanged(front, behind) => {
            (Who::Network, format!("{between}; heads pass it unchanged"))
        }
        EndedBy::Hop => (Who::FrontProxy, between),
        EndedBy::Client => (Who::Client, format!("in front of {}", front.client.listener)),
        EndedBy::Gateway => (Who::Gateway, format!("behind {}", behind.client.listener)),
        EndedBy::Tap => (Who::Wstap, "a tap".to_owned()),
        EndedBy::BothEnds | EndedBy::Open | EndedBy::Unknown => return None,
    };
    let interrupted = [front, behind].iter().any(|record| record.state == State::Interrupted);
    let lost = [front, behind].iter().any(|record| record.gap.is_some_and(|gap| gap.events > 0));
    let confidence = if interrupted || lost { Confidence::Likely } else { Confidence::Certain };
    Some(Sharpened { who, confidence, hop, says: ended.says })
}

impl Sharpened {
    /// The verdict with the hop named. Refusals that stand on the wire stay as they are: no hop
    /// makes them.
    #[must_use]
    pub fn apply(&self, verdict: &Verdict) -> Verdict {
        let mut sharper = verdict.clone();
        match verdict.layer {
            Layer::Transport | Layer::Other | Layer::Unknown => {
                sharper.who = self.who;
                sharper.confidence = self.confidence;
                sharper.reasons.push(format!("taps on both sides of the hop: {}", self.says));
                sharper.summary = format!("{} Joined: {}.", verdict.summary, self.says);
                if self.who != Who::FrontProxy {
                    // Known limits of proxies do not explain what no proxy did.
                    sharper.culprits.clear();
                }
            }
            Layer::Ok
            | Layer::Auth
            | Layer::Pairing
            | Layer::Origin
            | Layer::Protocol
            | Layer::None => {}
        }
        sharper
    }
}

fn dialled(record: &Record) -> &str {
    record.upstream.dial.as_ref().map_or("the tap in front", |dial| &dial.url)
}

fn heads_pass_unchanged(front: &Record, behind: &Record) -> bool {
    super::heads::request(front, behind).is_empty()
        && super::heads::response(front, behind).is_empty()
}
