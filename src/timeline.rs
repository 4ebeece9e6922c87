//! Facts from outside of the wire, brought to the sessions they belong to: the lines of the
//! gateway's own log, joined by what both sides know of a connection and never by guessing.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod gateway_log;
mod join;
mod words;

pub use gateway_log::{Conn, Endpoints, LogLine, Refused, What};
pub use join::{By, Joined, Link, Span, join};
pub use words::{Agreement, GatewayWords, JoinedLine, Said, words};
