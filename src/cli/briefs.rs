//! The sessions of a time in short, for commands that look at all of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::when::moment;
use crate::findings::Brief;
use crate::session::{SessionId, Wall};
use crate::store::{FindError, Reader, StoreError};
use crate::verdict::judge;

/// Which sessions are looked at.
#[derive(Debug, clap::Args)]
pub(super) struct Period {
    /// Sessions that started at this time or later: 10m for ten minutes ago, or
    /// 2026-11-20T04:46:56Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) since: Option<Wall>,
    /// Sessions that started before this time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) until: Option<Wall>,
}

impl Period {
    pub(super) fn briefs(&self, reader: &Reader) -> Result<Vec<Brief>, StoreError> {
        let (briefs, left) = read(reader, self)?;
        add(reader, briefs, &left, None)
    }

    /// The same, but sessions that were not judged yet are left out after a while.
    pub(super) fn briefs_within(
        &self,
        reader: &Reader,
        time: Duration,
    ) -> Result<Vec<Brief>, StoreError> {
        let (briefs, left) = read(reader, self)?;
        add(reader, briefs, &left, Some(Instant::now() + time))
    }
}

/// The briefs that are there, and the sessions that have none.
fn read(reader: &Reader, period: &Period) -> Result<(Vec<Brief>, Vec<SessionId>), StoreError> {
    let (mut briefs, mut left) = (Vec::new(), Vec::new());
    reader.briefs(period.since, period.until, |id, text| match text.and_then(Brief::read) {
        Some(brief) => briefs.push(brief),
        None => left.push(id),
    })?;
    Ok((briefs, left))
}

/// Judges the rest now, as the proxy would have done.
fn add(
    reader: &Reader,
    mut briefs: Vec<Brief>,
    left: &[SessionId],
    deadline: Option<Instant>,
) -> Result<Vec<Brief>, StoreError> {
    for id in left {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        match reader.record(*id) {
            Ok(record) => briefs.push(Brief::of(&record, &judge(&record))),
            // Retention took it meanwhile.
            Err(FindError::NotFound { .. } | FindError::Ambiguous { .. }) => {}
            Err(FindError::Store(error)) => return Err(error),
        }
    }
    Ok(briefs)
}

pub(super) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
