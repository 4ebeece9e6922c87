//! Lines of the gateway's log, and the sessions they can be joined to.

use rusqlite::{Params, Row, params};

use super::{FindError, Reader, filter, not_found};
use crate::session::{SessionId, Wall};
use crate::store::StoreError;
use crate::timeline::{By, Conn, LogLine, Span, join};

impl Reader {
    /// Lines that were written between two moments, in the order of their times.
    pub fn log_lines(&self, from: Wall, until: Wall) -> Result<Vec<LogLine>, StoreError> {
        self.lines_where("at_us BETWEEN ?1 AND ?2", [from.0, until.0])
    }

    /// What lines that were written between two moments can be joined to.
    pub fn spans(&self, from: Wall, until: Wall) -> Result<Vec<Span>, StoreError> {
        let what =
            "started_us <= ?1 + ?3 AND (state = 'open' OR started_us + duration_us >= ?2 - ?3)";
        self.spans_where(what, [until.0, from.0, Span::SLACK])
    }

    /// The lines that speak of a session, and by what that is known.
    pub fn joined(&self, id: SessionId) -> Result<Vec<(By, LogLine)>, FindError> {
        let own = self.spans_where("id = ?1", [id.as_str()])?;
        let span = own.into_iter().next().ok_or_else(|| not_found(id))?;
        let lines = self.candidates(&span)?;
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let [from, until] = span.window();
        let mut spans = vec![span];
        // Who has the port next is nearer to lines that come after the end.
        if let Some(local) = spans[0].local {
            let next = "upstream_local = ?1 AND started_us BETWEEN ?2 AND ?3 AND id <> ?4";
            let values = params![local.to_string(), from.0, until.0, id.as_str()];
            spans.extend(self.spans_where(next, values)?);
        }
        let joined = join(&spans, &lines);
        let own = joined.links.iter().filter(|link| link.span == 0);
        Ok(own.map(|link| (link.by, lines[link.line].clone())).collect())
    }

    /// Every line that has the port in time, or a name of the connection.
    fn candidates(&self, span: &Span) -> Result<Vec<LogLine>, StoreError> {
        let [from, until] = span.window();
        let port = span.local.map(|local| local.port());
        let of_port = "port = ?1 AND at_us BETWEEN ?2 AND ?3";
        let of_port = self.lines_where(of_port, params![port, from.0, until.0])?;
        let mut names: Vec<&Conn> =
            of_port.iter().filter_map(|line| line.conn.as_ref()).chain(&span.conn).collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<[String; 2]> = names
            .iter()
            .map(|conn| [conn.as_str().to_owned(), conn.short().as_str().to_owned()])
            .collect();
        let names = serde_json::to_string(&names.concat()).unwrap_or_default();
        self.lines_where(
            "(port = ?1 AND at_us BETWEEN ?2 AND ?3)
                OR conn IN (SELECT value FROM json_each(?4))",
            params![port, from.0, until.0, names],
        )
    }

    fn lines_where(&self, what: &str, values: impl Params) -> Result<Vec<LogLine>, StoreError> {
        let sql = format!("SELECT body FROM log_lines WHERE {what} ORDER BY at_us, line");
        let mut statement = self.opened.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(values)?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            lines.extend(serde_json::from_str::<LogLine>(row.get_ref(0)?.as_str().unwrap_or("")));
        }
        Ok(lines)
    }

    fn spans_where(&self, what: &str, values: impl Params) -> Result<Vec<Span>, StoreError> {
        let sql = format!(
            "SELECT id, started_us, duration_us, {} = 'open', upstream_local, upstream_peer, conn
             FROM sessions WHERE {what} ORDER BY started_us",
            filter::state_sql(&self.silent_taps()?)
        );
        let mut statement = self.opened.connection.prepare_cached(&sql)?;
        let spans = statement.query_map(values, span)?;
        Ok(spans.collect::<rusqlite::Result<_>>()?)
    }
}

fn span(row: &Row<'_>) -> rusqlite::Result<Span> {
    let from: i64 = row.get(1)?;
    let open: bool = row.get(3)?;
    let until = if open { i64::MAX } else { from.saturating_add(row.get(2)?) };
    let addr = |at| {
        let text: Option<String> = row.get(at)?;
        Ok::<_, rusqlite::Error>(text.and_then(|text| Span::addr(&text)))
    };
    Ok(Span {
        id: filter::id(row, 0)?,
        from: Wall(from),
        until: Wall(until),
        local: addr(4)?,
        peer: addr(5)?,
        conn: row.get::<_, Option<String>>(6)?.as_deref().map(Conn::new),
    })
}
