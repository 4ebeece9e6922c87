//! How long answers took, counted in steps of an eighth of an octave: quantiles are right to about
//! six percent, whatever the number of answers.

use serde::{Deserialize, Serialize};

use super::Offset;

/// Steps per octave, as a power of two.
const FINE: u32 = 3;

/// Answers by the time they took, written as `[[from_ms, answers], …]` without zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(Vec<(u16, u64)>);

impl Latencies {
    pub fn add(&mut self, time: Offset, answers: u64) {
        let step = step_of(time.micros());
        match self.0.binary_search_by_key(&step, |(step, _)| *step) {
            Ok(at) => {
                if let Some((_, sum)) = self.0.get_mut(at) {
                    *sum = sum.saturating_add(answers);
                }
            }
            Err(at) => self.0.insert(at, (step, answers)),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (step, answers) in &other.0 {
            self.add(Offset(floor_of(*step)), *answers);
        }
    }

    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, answers)| sum.saturating_add(*answers))
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that so many of a thousand answers did not exceed: 500 for the median.
    pub fn quantile(&self, per_mille: u64) -> Option<Offset> {
        let rank = u128::from(self.count()) * u128::from(per_mille.min(1000));
        let rank = rank.div_ceil(1000).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(step, answers)| {
            seen += u128::from(*answers);
            (seen >= rank).then(|| {
                let (from, to) = (floor_of(*step), floor_of(step.saturating_add(1)));
                Offset(from + to.saturating_sub(from) / 2)
            })
        })
    }

    /// The shortest time of each step in use, and its answers.
    pub fn steps(&self) -> impl Iterator<Item = (Offset, u64)> {
        self.0.iter().map(|(step, answers)| (Offset(floor_of(*step)), *answers))
    }
}

fn step_of(micros: u64) -> u16 {
    let octave = (u64::BITS - micros.leading_zeros()).saturating_sub(FINE + 1);
    u16::try_from((u64::from(octave) << FINE) + (micros >> octave)).unwrap_or(u16::MAX)
}

const fn floor_of(step: u16) -> u64 {
    let fine = 1 << FINE;
    let octave = ((step >> FINE) as u64).saturating_sub(1);
    let within = step as u64 - (octave << FINE);
    if octave > u64::BITS as u64 - FINE as u64 - 1 || within >= 2 * fine {
        u64::MAX
    } else {
        within << octave
    }
}

impl Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.steps())
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (from, answers) in Vec::<(Offset, u64)>::deserialize(deserializer)? {
            latencies.add(from, answers);
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_where_the_one_before_it_ends() {
        for step in 0..480 {
            assert_eq!(step_of(floor_of(step)), step, "{step}");
            assert_eq!(step_of(floor_of(step + 1) - 1), step, "{step}");
        }
        assert_eq!(floor_of(step_of(u64::MAX)), 15 << 60);
    }

    #[test]
    fn quantiles_are_near_and_survive_their_text() {
        let mut latencies = Latencies::default();
        for ms in 1..=1000 {
            latencies.add(Offset(ms * 1000), 1);
        }
        for (per_mille, ms) in [(500, 500.0), (900, 900.0), (990, 990.0)] {
            let found = latencies.quantile(per_mille).unwrap().millis();
            assert!((found / ms - 1.0).abs() < 0.07, "{per_mille}: {found}");
        }
        let text = serde_json::to_string(&latencies).unwrap();
        assert_eq!(serde_json::from_str::<Latencies>(&text).unwrap(), latencies);
        let mut twice = latencies.clone();
        twice.merge(&latencies);
        assert_eq!((twice.count(), twice.quantile(500)), (2000, latencies.quantile(500)));
        assert_eq!(Latencies::default().quantile(500), None);
    }
}
