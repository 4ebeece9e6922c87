//! `spawn_success < 95%`: a figure, a comparison and a number, for gates.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::kpi::{FIGURES, Kpis, Unit};

/// A condition on one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    figure: usize,
    compare: Compare,
    /// In the unit of the figure; times in milliseconds.
    number: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// Longer words first: `<` begins `<=` too.
const COMPARISONS: [(&str, Compare); 6] = [
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

/// What was typed is no condition. The text says what to type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ParseConditionError(String);

impl Condition {
    /// Whether it holds; `None` when there is nothing to measure.
    pub fn holds(&self, kpis: &Kpis) -> Option<bool> {
        self.value(kpis).map(|value| self.compare.holds(value, self.number))
    }

    /// The figure's value in its unit, in words.
    pub fn measured(&self, kpis: &Kpis) -> String {
        let unit = FIGURES.get(self.figure).map_or(Unit::Count, |(_, unit, _)| *unit);
        match (self.value(kpis), unit) {
            (None, _) => "nothing to measure".to_owned(),
            (Some(value), Unit::Percent) => format!("{value:.1}%"),
            (Some(value), Unit::Millis) => format!("{value:.1}ms"),
            (Some(value), Unit::Count) => format!("{value:.0}"),
        }
    }

    /// Every name, for the help.
    pub fn names() -> String {
        FIGURES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
    }

    fn value(&self, kpis: &Kpis) -> Option<f64> {
        FIGURES.get(self.figure).and_then(|(_, _, value)| value(kpis))
    }
}

impl Compare {
    fn holds(self, value: f64, number: f64) -> bool {
        const NEAR: f64 = 1e-9;
        match self {
            Self::Less => value < number,
            Self::LessOrEqual => value <= number,
            Self::Greater => value > number,
            Self::GreaterOrEqual => value >= number,
            Self::Equal => (value - number).abs() < NEAR,
            Self::NotEqual => (value - number).abs() >= NEAR,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = ParseConditionError;

    fn from_str(text: &str) -> Result<Self, ParseConditionError> {
        let wrong = |says: String| Err(ParseConditionError(says));
        let end = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let name = name.trim();
        let Some(figure) = FIGURES.iter().position(|(have, ..)| *have == name) else {
            return wrong(format!("there is no figure {name:?}; there are {}", Self::names()));
        };
        let compare = COMPARISONS.iter().find_map(|(sign, compare)| {
            rest.strip_prefix(sign).map(|number| (number.trim(), *compare))
        });
        let Some((number, compare)) = compare else {
            return wrong(format!("{text:?}: say it as '{name} < 95', with < <= > >= == or !="));
        };
        let unit = FIGURES.get(figure).map_or(Unit::Count, |(_, unit, _)| *unit);
        match measure(number, unit) {
            Some(number) => Ok(Self { text: text.trim().to_owned(), figure, compare, number }),
            None => wrong(match unit {
                Unit::Percent => format!("{number:?} is no share: say it as 95%"),
                Unit::Millis => format!("{number:?} is no time: say it as 500ms or 2s"),
                Unit::Count => format!("{number:?} is no count: say a number"),
            }),
        }
    }
}

fn measure(text: &str, unit: Unit) -> Option<f64> {
    let (digits, factor) = match unit {
        Unit::Percent => (text.strip_suffix('%').unwrap_or(text), 1.0),
        Unit::Millis => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(digits), _) => (digits, 1.0),
            (None, Some(digits)) => (digits, 1000.0),
            (None, None) => return None,
        },
        Unit::Count => (text, 1.0),
    };
    let number: f64 = digits.trim_end().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_figure_a_comparison_and_a_number() {
        let mut kpis = Kpis::of(&[], crate::findings::SPAWN_METHOD);
        kpis.spawns = crate::findings::kpi::Rate { all: 10, good: 9, percent: Some(90.0) };
        let holds = |text: &str| text.parse::<Condition>().unwrap().holds(&kpis);
        assert_eq!(holds("spawn_success < 95%"), Some(true));
        assert_eq!(holds("spawn_success<=90"), Some(true));
        assert_eq!(holds("spawn_success >= 90.5 %"), Some(false));
        assert_eq!(holds("restarts != 0"), Some(false));
        assert_eq!(holds("sessions == 0"), Some(true));
        assert_eq!(holds("call_p99 > 2s"), None);
        let condition: Condition = " spawn_success < 95% ".parse().unwrap();
        assert_eq!(condition.measured(&kpis), "90.0%");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_type() {
        for (text, says) in [
            ("spawns_success < 95%", "spawn_success"),
            ("spawn_success", "say it as"),
            ("spawn_success = 95%", "say it as"),
            ("spawn_success < 95ms", "as 95%"),
            ("call_p50 > 500", "500ms or 2s"),
            ("restarts > many", "a number"),
            ("", "connect_success"),
        ] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
