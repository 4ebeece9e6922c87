//! When something was seen: the wall clock once per session, and offsets from it after that.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since the session began, by the monotonic clock. Milliseconds in the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub u64);

impl Offset {
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> u64 {
        self.0
    }

    #[expect(clippy::cast_precision_loss, reason = "52 bits of microseconds are 142 years")]
    pub fn millis(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time from `earlier` to this, zero if it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.millis())
    }
}

impl<'de> Deserialize<'de> for Offset {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float to integer cast saturates"
    )]
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self((f64::deserialize(deserializer)? * 1000.0).round() as u64))
    }
}

impl fmt::Display for Offset {
    /// `12.3 ms`, `4.250 s` or `3 m 20 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000_000 => write!(f, "{:.1} ms", self.millis()),
            1_000_000..120_000_000 => write!(f, "{:.3} s", self.millis() / 1000.0),
            longer => {
                let seconds = longer / 1_000_000;
                match seconds / 3600 {
                    0 => write!(f, "{} m {} s", seconds / 60, seconds % 60),
                    hours => write!(f, "{hours} h {} m", seconds / 60 % 60),
                }
            }
        }
    }
}

/// Microseconds since 1970-01-01 UTC by the machine's wall clock. RFC 3339 in the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wall(pub i64);

impl Wall {
    pub const fn micros(self) -> i64 {
        self.0
    }

    #[must_use]
    pub fn plus(self, offset: Offset) -> Self {
        Self(self.0.saturating_add(i64::try_from(offset.0).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds, as `2026-11-20T03:46:56.640Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl Serialize for Wall {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(time.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(Wall(1_795_146_416_640_500).to_string(), "2026-11-20T03:46:56.640Z");
        assert_eq!(Offset(12_300).to_string(), "12.3 ms");
        assert_eq!(Offset(60_003_000).to_string(), "60.003 s");
        assert_eq!(Offset(200_000_000).to_string(), "3 m 20 s");
        assert_eq!(Offset(7_260_000_000).to_string(), "2 h 1 m");
    }
}
