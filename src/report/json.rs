//! Records as JSON: the shape of [`Record`] and nothing else.

use super::clean::clean_json;
use crate::session::Record;

/// One line of NDJSON, without its line end.
pub fn line(record: &Record) -> serde_json::Result<String> {
    serde_json::to_string(record).map(clean_json)
}

/// One document over several lines, without the last line end.
pub fn document(record: &Record) -> serde_json::Result<String> {
    serde_json::to_string_pretty(record).map(clean_json)
}
