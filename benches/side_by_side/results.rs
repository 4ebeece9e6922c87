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

/// One system compared with another.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) of_medians: f64,
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
        median(&sorted(self.rounds(row, metric, system).iter().flatten().copied()))
    }

    /// `one` divided by `other`: the medians, and the least and the most that single rounds gave.
    pub(crate) fn ratio(
        &self,
        row: Row,
        metric: Metric,
        one: System,
        other: System,
    ) -> Option<Ratio> {
        let pairs = self.rounds(row, metric, one).iter().zip(self.rounds(row, metric, other));
        let rounds = sorted(pairs.filter_map(|(one, other)| Some((*one)? / (*other)?)));
        Some(Ratio {
            of_medians: self.figure(row, metric, one)? / self.figure(row, metric, other)?,
            least: *rounds.first()?,
            most: *rounds.last()?,
        })
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        Some(upper)
    } else {
        Some(f64::midpoint(*sorted.get(middle - 1)?, upper))
    }
}
