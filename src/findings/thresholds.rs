//! From which number on something is a finding. Users may set each of them.

use std::fmt::Write as _;
use std::str::FromStr;

use thiserror::Error;

/// One number that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threshold {
    ConnectSuccess,
    ConnectDials,
    TokenMismatches,
    PairingWindow,
    EqualSilences,
    CertainSilences,
    BurstSessions,
    BurstWithin,
    StaleFailures,
    Bounces,
    OriginRefusals,
    BudgetRefusals,
    LargeFrame,
    LargeFailures,
    LoadFactor,
    CallSuccess,
    CallFailures,
}

/// Name, default, and what it is, in the order of [`Threshold`].
const TABLE: [(Threshold, &str, f64, &str); 17] = [
    (Threshold::ConnectSuccess, "connect_success", 97.0, "least % of connects that succeed"),
    (Threshold::ConnectDials, "connect_dials", 100.0, "connects before their rate counts"),
    (Threshold::TokenMismatches, "token_mismatches", 3.0, "more mismatches than this in a window"),
    (Threshold::PairingWindow, "pairing_window", 300.0, "length of that window, seconds"),
    (Threshold::EqualSilences, "equal_silences", 3.0, "equal ends that make a timer likely"),
    (Threshold::CertainSilences, "certain_silences", 6.0, "equal ends that make it certain"),
    (Threshold::BurstSessions, "burst_sessions", 5.0, "sessions that end at once"),
    (Threshold::BurstWithin, "burst_within", 1.0, "at once, seconds"),
    (Threshold::StaleFailures, "stale_failures", 3.0, "failed dials of one address after success"),
    (Threshold::Bounces, "bounces", 4.0, "changes between accepted and refused"),
    (Threshold::OriginRefusals, "origin_refusals", 1.0, "refusals of one origin"),
    (Threshold::BudgetRefusals, "budget_refusals", 1.0, "503 for too many unauthenticated sockets"),
    (Threshold::LargeFrame, "large_frame", 1200.0, "bytes from which a frame is large"),
    (Threshold::LargeFailures, "large_failures", 2.0, "sessions that stuck on a large frame"),
    (Threshold::LoadFactor, "load_factor", 3.0, "how many times slower handshakes get under load"),
    (Threshold::CallSuccess, "call_success", 95.0, "least % of a method's calls that succeed"),
    (Threshold::CallFailures, "call_failures", 3.0, "failed calls of a method before they count"),
];

/// All thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds([f64; TABLE.len()]);

/// What was typed is no threshold. The text says what to type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ParseThresholdError(String);

impl Default for Thresholds {
    fn default() -> Self {
        Self(TABLE.map(|(_, _, default, _)| default))
    }
}

impl Thresholds {
    pub(super) fn of(&self, which: Threshold) -> f64 {
        let place = TABLE.iter().position(|(threshold, ..)| *threshold == which);
        place.and_then(|place| self.0.get(place)).copied().unwrap_or_default()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(super) fn count(&self, which: Threshold) -> usize {
        self.of(which).ceil() as usize
    }

    /// Seconds as microseconds.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    pub(super) fn micros(&self, which: Threshold) -> i64 {
        (self.of(which) * 1e6) as i64
    }

    /// Sets one of them, as `connect_success=99`.
    pub fn set(&mut self, text: &str) -> Result<(), ParseThresholdError> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(ParseThresholdError(format!("{text:?}: say name=value")));
        };
        let Some(place) = TABLE.iter().position(|(_, have, ..)| *have == name.trim()) else {
            let names = TABLE.map(|(_, name, ..)| name).join(", ");
            return Err(ParseThresholdError(format!("there is no {name:?}; there are {names}")));
        };
        let value = f64::from_str(value.trim()).ok().filter(|v| v.is_finite() && *v >= 0.0);
        match (value, self.0.get_mut(place)) {
            (Some(value), Some(have)) => *have = value,
            (None, _) | (_, None) => {
                return Err(ParseThresholdError(format!("{text:?}: the value is a number")));
            }
        }
        Ok(())
    }

    /// Every threshold with its default, one per line, for the help.
    pub fn help() -> String {
        let mut help = String::new();
        for (_, name, default, what) in TABLE {
            // Writing into a String cannot fail.
            let written = writeln!(help, "  {:<22}{what}", format!("{name}={default}"));
            debug_assert!(written.is_ok());
        }
        help.truncate(help.trim_end().len());
        help
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_set_by_its_name() {
        let mut thresholds = Thresholds::default();
        thresholds.set("connect_success = 99.5").unwrap();
        assert!((thresholds.of(Threshold::ConnectSuccess) - 99.5).abs() < 1e-9);
        for (wrong, says) in
            [("x=1", "call_success"), ("bounces", "name=value"), ("bounces=-1", "a number")]
        {
            let error = thresholds.set(wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_table_has_each_once_and_short_texts() {
        for (at, (which, name, _, what)) in TABLE.iter().enumerate() {
            assert!(TABLE[at + 1..].iter().all(|(w, n, ..)| w != which && n != name));
            assert!(what.len() < 58, "{name}");
        }
    }
}
