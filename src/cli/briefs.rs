//! The sessions of a time in short, for commands that look at all of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::judging::Judging;
use super::when::moment;
use crate::findings::Brief;
use crate::session::Wall;
use crate::store::{FindError, Reader, StoreError};

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
    /// All of them; those that were not judged yet are judged now.
    pub(super) fn briefs(
        &self,
        reader: &Reader,
        judging: &Judging,
    ) -> Result<Vec<Brief>, StoreError> {
        self.read(reader, judging, None)
    }

    /// The same, but sessions that were not judged yet are left out after a while.
    pub(super) fn briefs_within(
        &self,
        reader: &Reader,
        time: Duration,
    ) -> Result<Vec<Brief>, StoreError> {
        self.read(reader, &Judging::default(), Some(Instant::now() + time))
    }

    fn read(
        &self,
        reader: &Reader,
        judging: &Judging,
        deadline: Option<Instant>,
    ) -> Result<Vec<Brief>, StoreError> {
        let (mut briefs, mut left) = (Vec::new(), Vec::new());
        reader.briefs(self.since, self.until, |id, text| {
            let text = text.filter(|_| judging.believes_the_store());
            match text.and_then(Brief::read) {
                Some(brief) => briefs.push(brief),
                None => left.push(id),
            }
        })?;
        for id in left {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                break;
            }
            match judging.again(reader, id) {
                Ok(record) => {
                    briefs.extend(record.verdict.as_ref().map(|v| Brief::of(&record, v)));
                }
                // Retention took it meanwhile.
                Err(FindError::NotFound { .. } | FindError::Ambiguous { .. }) => {}
                Err(FindError::Store(error)) => return Err(error),
            }
        }
        Ok(briefs)
    }
}

pub(super) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
