//! One session in full: the verdict and what to do, what that rests on, then everything that is
//! known, section by section.

mod content;
mod ends;
mod gateway_log;
mod heads;
mod legs;
mod opening;
mod summary;
mod traffic;
mod verdict;

use super::clock::Clock;
use super::page::Page;
use crate::session::Record;
use crate::timeline::GatewayWords;

/// A section of the page; it adds nothing when it has nothing to say.
type Section = fn(&mut Page, &Record, &Clock);

/// What is most often looked for comes first.
const FIRST: &[Section] =
    &[verdict::verdict, verdict::evidence, summary::summary, ends::endings, ends::close];

/// Behind what the gateway's log says.
const SECTIONS: &[Section] = &[
    opening::opening,
    heads::request,
    heads::response,
    legs::dial,
    legs::tls,
    legs::tcp,
    traffic::frames,
    traffic::violations,
    traffic::keepalive,
    traffic::silence,
    content::control,
    content::messages,
    content::notes,
];

/// Everything of a record as text, with what the gateway's log says of it.
pub fn show(record: &Record, words: &GatewayWords, clock: &Clock) -> String {
    let mut page = Page::default();
    for section in FIRST {
        section(&mut page, record, clock);
    }
    gateway_log::gateway_log(&mut page, words, clock);
    for section in SECTIONS {
        section(&mut page, record, clock);
    }
    page.finish()
}
