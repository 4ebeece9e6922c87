//! Times and durations as people type them.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::session::{Offset, Wall};

/// A time ago, as `10m`, or a point in time; without a zone it is a local one.
pub(super) fn moment(text: &str) -> Result<Wall, String> {
    moment_in(text, Timestamp::now(), &TimeZone::system())
}

fn moment_in(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Wall, String> {
    let ago = || {
        let ago = SignedDuration::try_from(humantime::parse_duration(text).ok()?).ok()?;
        now.checked_sub(ago).ok()
    };
    let local = || zone.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    ago()
        .or_else(|| text.parse().ok())
        .or_else(local)
        .map(|time: Timestamp| Wall(time.as_microsecond()))
        .ok_or_else(|| {
            "say how long ago, as 90s, 10m or 2h, or a time, as 2026-11-20T04:46:56Z".to_owned()
        })
}

/// A length of time, as `30s`.
pub(super) fn duration(text: &str) -> Result<Offset, String> {
    humantime::parse_duration(text)
        .map(|duration: Duration| {
            Offset::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
        })
        .map_err(|_| "say a number and a unit, as 500ms, 30s, 10m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_can_be_said_in_several_ways() {
        let now: Timestamp = "2026-11-20T03:46:56Z".parse().unwrap();
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        let read = |text: &str| moment_in(text, now, &berlin).map(|wall| wall.to_string());
        let three = Ok("2026-11-20T03:00:00.000Z".to_owned());
        assert_eq!(read("46m 56s"), three);
        assert_eq!(read("2026-11-20T03:00:00Z"), three);
        assert_eq!(read("2026-11-20T04:00:00+01:00"), three);
        assert_eq!(read("2026-11-20 04:00"), three);
        assert!(read("yesterday").is_err());
        assert_eq!(duration("1m 30s"), Ok(Offset(90_000_000)));
        assert!(duration("30").is_err());
    }
}
