//! What the sessions of a run show together, at its end.

use std::path::Path;
use std::time::Duration;

use crate::cli::briefs::{Period, now};
use crate::findings::{Thresholds, find};
use crate::report;
use crate::session::Wall;
use crate::store::Reader;

/// Lines for findings.
const LINES: usize = 5;

/// The last sessions may not be judged yet; nobody waits long for that.
const PATIENCE: Duration = Duration::from_secs(1);

/// A few lines on the sessions since `began`; none when there is nothing to say.
pub(super) fn of_run(store: &Path, began: Wall) -> Vec<String> {
    let period = Period { since: Some(began), until: None };
    let read = Reader::open(store).and_then(|reader| period.briefs_within(&reader, PATIENCE));
    let briefs = match read {
        Ok(briefs) => briefs,
        Err(error) => {
            tracing::warn!(%error, "the sessions of this run could not be compared");
            return Vec::new();
        }
    };
    let findings = find(&briefs, &Thresholds::default(), now());
    let all = format!("wstap findings --since {began} --store {}", store.display());
    report::findings_in_short(&findings, LINES, &all)
}
