//! The sessions of one comparison, in order, and what every pattern asks of them.

use std::collections::BTreeMap;

use super::Brief;
use super::thresholds::{Threshold, Thresholds};
use crate::session::Wall;

#[derive(Debug)]
pub(super) struct Ground<'a> {
    /// By start.
    pub(super) briefs: Vec<&'a Brief>,
    thresholds: &'a Thresholds,
    pub(super) now: Wall,
}

impl<'a> Ground<'a> {
    pub(super) fn of(briefs: &'a [Brief], thresholds: &'a Thresholds, now: Wall) -> Self {
        let mut briefs: Vec<&Brief> = briefs.iter().collect();
        briefs.sort_by_key(|brief| (brief.started, brief.id));
        Self { briefs, thresholds, now }
    }

    pub(super) fn count(&self, which: Threshold) -> usize {
        self.thresholds.count(which)
    }

    pub(super) fn number(&self, which: Threshold) -> f64 {
        self.thresholds.of(which)
    }

    pub(super) fn micros(&self, which: Threshold) -> i64 {
        self.thresholds.micros(which)
    }

    /// The sessions by something that they have in common, each group in order.
    pub(super) fn by<K: Ord>(
        &self,
        key: impl Fn(&'a Brief) -> Option<K>,
    ) -> BTreeMap<K, Vec<&'a Brief>> {
        let mut groups: BTreeMap<K, Vec<&Brief>> = BTreeMap::new();
        for brief in &self.briefs {
            if let Some(key) = key(brief) {
                groups.entry(key).or_default().push(brief);
            }
        }
        groups
    }
}

/// Distinct values with how often each is there, the most frequent first.
pub(super) fn tally<K: Ord>(values: impl IntoIterator<Item = K>) -> Vec<(K, usize)> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(K, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// `a 3 times, b once`, the first few of them.
pub(super) fn listed<K: AsRef<str>>(tallied: &[(K, usize)]) -> String {
    const SHOWN: usize = 4;
    let mut words: Vec<String> = tallied
        .iter()
        .take(SHOWN)
        .map(|(name, count)| match count {
            1 => format!("{} once", name.as_ref()),
            count => format!("{} {count} times", name.as_ref()),
        })
        .collect();
    if tallied.len() > SHOWN {
        words.push(format!("{} more", tallied.len() - SHOWN));
    }
    words.join(", ")
}

/// The share in percent.
#[expect(clippy::cast_precision_loss, reason = "shares need no more than 52 bits")]
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// The text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
