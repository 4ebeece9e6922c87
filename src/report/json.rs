//! Values as JSON, most of all records: their own shape and nothing else.

use serde::Serialize;

use super::clean::clean_json;

/// One line of NDJSON, without its line end.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(clean_json)
}

/// One document over several lines, without the last line end.
pub fn document(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(clean_json)
}
