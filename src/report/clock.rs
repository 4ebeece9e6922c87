//! Wall times in the zone of whoever reads them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::session::Wall;

/// Writes wall times.
#[derive(Clone, Debug)]
pub struct Clock(TimeZone);

impl Clock {
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    pub const fn of(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// `2026-11-20T04:46:56`, and `Z` after it in UTC: short, and what `--since` takes too.
    pub fn short(&self, wall: Wall) -> String {
        self.format(wall, "%Y-%m-%dT%H:%M:%S", "")
    }

    /// `11-20 04:46:56`, for narrow places.
    pub fn day_and_time(&self, wall: Wall) -> String {
        let Ok(time) = Timestamp::from_microsecond(wall.micros()) else { return wall.to_string() };
        Zoned::new(time, self.0.clone()).strftime("%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-20T04:46:56+01:00`.
    pub fn seconds(&self, wall: Wall) -> String {
        self.format(wall, "%Y-%m-%dT%H:%M:%S", "%:z")
    }

    /// `2026-11-20T04:46:56.640+01:00`.
    pub fn millis(&self, wall: Wall) -> String {
        self.format(wall, "%Y-%m-%dT%H:%M:%S%.3f", "%:z")
    }

    fn format(&self, wall: Wall, format: &str, zone: &str) -> String {
        let Ok(time) = Timestamp::from_microsecond(wall.micros()) else { return wall.to_string() };
        let zoned = Zoned::new(time, self.0.clone());
        let zone = if self.0 == TimeZone::UTC { "Z" } else { zone };
        zoned.strftime(&format!("{format}{zone}")).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_the_same_in_every_zone() {
        let wall = Wall(1_795_146_416_640_500);
        let berlin = Clock::of(TimeZone::fixed(jiff::tz::offset(1)));
        assert_eq!(Clock::utc().millis(wall), "2026-11-20T03:46:56.640Z");
        assert_eq!(Clock::utc().short(wall), "2026-11-20T03:46:56Z");
        assert_eq!(berlin.short(wall), "2026-11-20T04:46:56");
        assert_eq!(berlin.day_and_time(wall), "11-20 04:46:56");
        assert_eq!(berlin.seconds(wall), "2026-11-20T04:46:56+01:00");
    }
}
