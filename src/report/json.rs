//! Values as JSON, most of all records: their own shape, and beside it the gateway's log.

use serde::Serialize;

use super::clean::clean_json;
use crate::session::Record;
use crate::timeline::{GatewayWords, JoinedLine, Said};

/// One line of NDJSON, without its line end.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(clean_json)
}

/// One document over several lines, without the last line end.
pub fn document(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(clean_json)
}

/// A record, and what the gateway's log says of it where a log was read.
#[derive(Debug, Serialize)]
pub struct WithLog<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gateway_log: &'a [JoinedLine],
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_said: Option<&'a Said>,
}

impl<'a> WithLog<'a> {
    pub const fn new(record: &'a Record, words: &'a GatewayWords) -> Self {
        let GatewayWords { lines, said } = words;
        Self { record, gateway_log: lines.as_slice(), gateway_said: said.as_ref() }
    }
}
