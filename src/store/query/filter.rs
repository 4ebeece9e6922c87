//! Which sessions are listed, and what a line of the list knows.

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params_from_iter};

use crate::session::{Kind, Offset, SessionId, State, Wall};
use crate::store::{StoreError, tap};

/// What sessions must be to be listed; absent is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Started at this time or later.
    pub since: Option<Wall>,
    /// Started before this time.
    pub until: Option<Wall>,
    pub origin: Option<String>,
    /// The beginning of the path; a glob when it has `*`, `?` or `[` in it.
    pub path: Option<String>,
    /// The code of the first Close frame.
    pub close_code: Option<u16>,
    /// The first thing that ended a leg, as `EndingKind::name` says it.
    pub ending: Option<String>,
    pub kind: Option<Kind>,
    pub min_duration: Option<Offset>,
    pub max_duration: Option<Offset>,
    pub state: Option<State>,
    /// What stored verdicts say. A session without one fits: whoever reads it has to judge it.
    pub judged: JudgedAs,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

/// What a verdict must say; an empty list is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgedAs {
    pub layers: Vec<String>,
    pub causes: Vec<String>,
    pub whose: Vec<String>,
}

impl JudgedAs {
    pub fn is_anything(&self) -> bool {
        self.layers.is_empty() && self.causes.is_empty() && self.whose.is_empty()
    }

    /// Whether a verdict in these words fits.
    pub fn fits(&self, layer: &str, cause: &str, who: &str) -> bool {
        let among = |words: &[String], word: &str| {
            words.is_empty() || words.iter().any(|listed| listed == word)
        };
        among(&self.layers, layer) && among(&self.causes, cause) && among(&self.whose, who)
    }
}

/// Among which rows is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    All,
    One(i64),
    After(i64),
}

/// A session as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: SessionId,
    pub started_at: Wall,
    /// Up to now, while it is open.
    pub duration: Offset,
    pub kind: Kind,
    pub state: State,
    pub listener: Option<String>,
    pub client: Option<String>,
    pub upstream: Option<String>,
    pub path: Option<String>,
    pub origin: Option<String>,
    pub status: Option<u16>,
    /// The code of the first Close frame, when it had one.
    pub close_code: Option<u16>,
    /// Who sent the first Close frame: `client` or `gateway`.
    pub close_from: Option<String>,
    pub ending: Option<String>,
    /// Whether it ended well, as far as the columns tell; absent while it is open.
    pub well: Option<bool>,
    pub tap: i64,
    /// What the stored verdict says; absent until the session is judged.
    pub judged: Option<Judged>,
    pub(super) row: i64,
}

/// A stored verdict, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub layer: String,
    pub cause: String,
    pub who: String,
    pub confidence: String,
    pub failed: bool,
}

impl Judged {
    /// The columns from `at` on.
    fn of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Self>> {
        let Some(layer) = row.get(at)? else { return Ok(None) };
        let (cause, who) = (row.get(at + 1)?, row.get(at + 2)?);
        let (confidence, failed) = (row.get(at + 3)?, row.get(at + 4)?);
        Ok(Some(Self { layer, cause, who, confidence, failed }))
    }
}

impl Filter {
    pub(super) fn run(
        &self,
        connection: &Connection,
        silent: &[i64],
        among: Among,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut query = Query::default();
        let state = state_sql(silent);
        let duration = format!(
            "CASE WHEN {state} = 'open' THEN max(duration_us, {} - started_us) ELSE duration_us END",
            tap::now().0
        );
        match among {
            Among::All => {}
            Among::One(row) => query.add("row = ?", Some(row)),
            Among::After(row) => query.add("row > ?", Some(row)),
        }
        query.add("started_us >= ?", self.since.map(|wall| wall.0));
        query.add("started_us < ?", self.until.map(|wall| wall.0));
        query.add("origin = ?", self.origin.clone());
        query.add("close_code = ?", self.close_code.map(i64::from));
        query.add("ending = ?", self.ending.clone());
        query.add("kind = ?", self.kind.map(|kind| kind.name().to_owned()));
        query.add(&format!("{state} = ?"), self.state.map(|state| state.name().to_owned()));
        query.add(&format!("{duration} >= ?"), self.min_duration.map(micros));
        query.add(&format!("{duration} <= ?"), self.max_duration.map(micros));
        match &self.path {
            Some(path) if path.contains(['*', '?', '[']) => {
                query.add("path GLOB ?", Some(path.clone()));
            }
            Some(path) => {
                query.add("substr(path, 1, length(?)) = ?", Some(path.clone()));
                query.values.push(path.clone().into());
            }
            None => {}
        }
        query.add_judged("layer", &self.judged.layers);
        query.add_judged("cause", &self.judged.causes);
        query.add_judged("who", &self.judged.whose);
        let limit = self.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
        let sql = format!(
            "SELECT id, started_us, {duration}, kind, {state}, listener, client, upstream, path,
                origin, status, close_code, close_from, ending, well, tap, row,
                layer, cause, who, confidence, failed
             FROM sessions LEFT JOIN verdicts USING (row) {} ORDER BY started_us DESC, row DESC LIMIT {limit}",
            query.condition
        );
        let mut statement = connection.prepare(&sql)?;
        let mut listed: Vec<Listed> = statement
            .query_map(params_from_iter(query.values), Listed::of)?
            .collect::<rusqlite::Result<_>>()?;
        listed.reverse();
        Ok(listed)
    }
}

impl Listed {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, 0)?,
            started_at: Wall(row.get(1)?),
            duration: Offset(row.get::<_, i64>(2)?.unsigned_abs()),
            kind: word(row, 3, &[Kind::Websocket, Kind::Http, Kind::Opaque], Kind::name)?,
            state: word(row, 4, &[State::Open, State::Ended, State::Interrupted], State::name)?,
            listener: row.get(5)?,
            client: row.get(6)?,
            upstream: row.get(7)?,
            path: row.get(8)?,
            origin: row.get(9)?,
            status: row.get(10)?,
            close_code: row.get(11)?,
            close_from: row.get(12)?,
            ending: row.get(13)?,
            well: row.get(14)?,
            tap: row.get(15)?,
            row: row.get(16)?,
            judged: Judged::of(row, 17)?,
        })
    }
}

/// Conditions and their values, in one order.
#[derive(Debug, Default)]
struct Query {
    condition: String,
    values: Vec<Value>,
}

impl Query {
    fn add(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.condition.push_str(if self.condition.is_empty() { "WHERE " } else { " AND " });
            self.condition.push_str(condition);
            self.values.push(value.into());
        }
    }

    /// One of these words, or no verdict yet.
    fn add_judged(&mut self, column: &str, words: &[String]) {
        let Some((first, others)) = words.split_first() else { return };
        let places = vec!["?"; words.len()].join(", ");
        self.add(&format!("(rules IS NULL OR {column} IN ({places}))"), Some(first.clone()));
        self.values.extend(others.iter().map(|word| Value::from(word.clone())));
    }
}

/// The state as it is, for a tap that was killed cannot say so.
pub(in crate::store) fn state_sql(silent: &[i64]) -> String {
    if silent.is_empty() {
        return "state".to_owned();
    }
    let taps = silent.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    format!("CASE WHEN state = 'open' AND tap IN ({taps}) THEN 'interrupted' ELSE state END")
}

pub(in crate::store) fn id(row: &Row<'_>, at: usize) -> rusqlite::Result<SessionId> {
    let text = row.get_ref(at)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

fn word<T: Copy>(
    row: &Row<'_>,
    at: usize,
    all: &[T],
    name: fn(T) -> &'static str,
) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    all.iter()
        .copied()
        .find(|value| name(*value) == text)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(at, text.to_owned(), Type::Text))
}

fn micros(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}
