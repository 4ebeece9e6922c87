//! What all rounds gave, and the medians of it.

use std::collections::BTreeMap;

use crate::peers::System;
use crate::rows::{Metric, Row};
use crate::sample::Sample;

/// Figures by row, metric and system; one slot per round, empty where a sample failed.
#[derive(Default)]
pub(crate) struct Results {
    figures: BTreeMap<(Row, Metric, System), Vec<Option<f64>>>,
    /// What could not be measured as it should, and why.
    pub(crate) notes: Vec<String>,
}

/// Median, smallest and largest of the rounds.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Results {
    /// Rounds of one row come in order; a failed one leaves a hole, so that ratios pair figures of the same round.
    pub(crate) fn record(&mut self, row: Row, system: System, sample: anyhow::Result<Sample>) {
        let figures = match sample {
            Ok(Sample { figures, backlog }) => {
                if backlog {
                    self.note(format!(
                        "{}, {}: part of the stream was not delivered in time; CPU is divided by what was",
                        system.title(),
                        row.title()
                    ));
                }
                figures
            }
            Err(error) => {
                self.note(format!("{}, {}: {error:#}", system.title(), row.title()));
                Vec::new()
            }
        };
        for &metric in row.metrics() {
            let figure =
                figures.iter().find(|(found, _)| *found == metric).map(|(_, figure)| *figure);
            self.figures.entry((row, metric, system)).or_default().push(figure);
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn rounds(&self, row: Row, metric: Metric, system: System) -> &[Option<f64>] {
        self.figures.get(&(row, metric, system)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn figure(&self, row: Row, metric: Metric, system: System) -> Option<f64> {
        let figures = self.rounds(row, metric, system).iter().flatten().copied().collect();
        spread(figures).map(|spread| spread.median)
    }

    /// `one` divided by `other`, round by round, so that a slower minute of the machine falls on both.
    pub(crate) fn ratio(
        &self,
        row: Row,
        metric: Metric,
        one: System,
        other: System,
    ) -> Option<Spread> {
        let pairs = self.rounds(row, metric, one).iter().zip(self.rounds(row, metric, other));
        spread(pairs.filter_map(|(one, other)| Some((*one)? / (*other)?)).collect())
    }
}

fn spread(mut figures: Vec<f64>) -> Option<Spread> {
    figures.retain(|figure| figure.is_finite());
    figures.sort_by(f64::total_cmp);
    let (least, most) = (*figures.first()?, *figures.last()?);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    let median = if figures.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(*figures.get(middle - 1)?, upper)
    };
    Some(Spread { median, least, most })
}
