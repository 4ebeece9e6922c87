//! Sessions for people and for programs: a record in, text or JSON out.
//!
//! Whatever came from the wire is cleaned of what a terminal would obey; styles are ours, and the
//! caller's stream drops them where they do not belong.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod advice;
mod clean;
mod clock;
mod findings;
mod frames;
mod json;
mod junit;
mod kpi;
mod outcome;
mod page;
mod quantity;
mod rows;
mod show;
mod table;
mod tally;
mod words;

pub use advice::Advice;
pub use clean::{clean, clean_json};
pub use clock::Clock;
pub use findings::{finding_line, findings, findings_in_short};
pub use frames::FrameList;
pub use json::{WithLog, document, line};
pub use junit::{JUnit, escaped};
pub use kpi::{kpi_document, kpis};
pub use outcome::{how_it_ended, in_words};
pub use rows::Rows;
pub use show::show;
pub use table::{SessionTable, follow_header, follow_line};
pub use tally::Tally;
pub use words::verdict_in_words;
