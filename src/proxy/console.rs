//! What the operator reads while the proxy runs: one line per session's start, answer and end.
//! Lines go through a bounded queue to a thread of their own; a terminal that does not scroll
//! never holds up traffic.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::session::{Ending, EndingKind, Event, Leg, SessionId, Timed, Wall};

/// Lines that may wait.
const BACKLOG: usize = 4096;

/// How lines look (`--log-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where lines go. Clones lead to the same thread.
#[derive(Clone, Debug)]
pub struct Console {
    /// Nothing when quiet.
    lines: Option<SyncSender<Line>>,
    left_out: Arc<AtomicU64>,
    format: LogFormat,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Answered once everything before it was written.
    Flush(SyncSender<()>),
}

impl Console {
    /// Writes to stderr. Without a thread for it nothing is written.
    pub fn stderr(format: LogFormat) -> Self {
        let (lines, written) = sync_channel(BACKLOG);
        let left_out = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&left_out);
        let thread = std::thread::Builder::new().name("console".to_owned());
        let lines = thread.spawn(move || write_lines(&written, &lost)).is_ok().then_some(lines);
        Self { lines, left_out, format }
    }

    /// Writes nothing.
    pub fn quiet() -> Self {
        Self { lines: None, left_out: Arc::default(), format: LogFormat::Text }
    }

    pub const fn is_quiet(&self) -> bool {
        self.lines.is_none()
    }

    /// A line about wstap itself.
    pub fn say(&self, text: &str) {
        let line = match self.format {
            LogFormat::Text => text.to_owned(),
            LogFormat::Json => {
                serde_json::json!({ "time": now(), "event": "wstap", "message": text }).to_string()
            }
        };
        self.send(line);
    }

    /// A line about a session.
    pub(super) fn session(&self, id: SessionId, what: &'static str, text: &str) {
        let line = match self.format {
            LogFormat::Text => {
                format!("{}  {}  {what:<7} {text}", clock(), id.short())
            }
            LogFormat::Json => serde_json::json!({
                "time": now(), "session": id, "event": what, "message": text,
            })
            .to_string(),
        };
        self.send(line);
    }

    /// Waits until everything said so far is written, or `false` when that takes too long.
    pub fn flush(&self) -> bool {
        let Some(lines) = &self.lines else { return true };
        let (done, flushed) = sync_channel(1);
        lines.send(Line::Flush(done)).is_ok()
            && flushed.recv_timeout(std::time::Duration::from_secs(1)).is_ok()
    }

    fn send(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        let mut line = line.into_bytes();
        line.push(b'\n');
        if lines.try_send(Line::Text(line)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Lets `tracing` write through the same queue.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(lines) = &self.lines
            && lines.try_send(Line::Text(bytes.to_vec())).is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_lines(lines: &Receiver<Line>, left_out: &AtomicU64) {
    let mut stderr = io::stderr();
    while let Ok(line) = lines.recv() {
        let written = match line {
            Line::Text(bytes) => stderr.write_all(&bytes),
            // Where this fails nobody waits any more.
            Line::Flush(done) => {
                done.send(()).ok();
                Ok(())
            }
        };
        let lost = left_out.swap(0, Ordering::Relaxed);
        let told = match lost {
            0 => Ok(()),
            lost => writeln!(stderr, "({lost} lines left out: the terminal was too slow)"),
        };
        if written.and(told).is_err() {
            return; // a closed stderr: nobody reads
        }
    }
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The time of day in UTC with milliseconds.
fn clock() -> String {
    now().to_string().get(11..).unwrap_or_default().to_owned()
}

/// The line of an event, where one is due: what happened, and the text.
pub(super) fn line_of(timed: &Timed) -> Option<(&'static str, String)> {
    match &timed.event {
        Event::Request { head, .. } => {
            let value = |name: &str| head.header(name).map(|value| format!("  {name} {value}"));
            let host = value("Host").unwrap_or_default();
            let origin = value("Origin").unwrap_or_default();
            Some(("start", format!("{}{host}{origin}", printable(head.start_line()))))
        }
        Event::Opaque(facts) => {
            let sni = facts.sni.as_ref().map(|sni| format!(" for {sni}")).unwrap_or_default();
            Some(("start", format!("not HTTP: {}{}", facts.what, printable(&sni))))
        }
        Event::Response { head, .. } => {
            Some(("answer", format!("{} after {}", printable(head.start_line()), timed.at)))
        }
        Event::OwnAnswer(own) => {
            Some(("answer", format!("{} by wstap itself: {}", own.status, printable(&own.why))))
        }
        Event::TlsFailed { error, .. } => {
            Some(("end", format!("TLS with the client failed: {}", printable(error))))
        }
        _ => None,
    }
}

/// An ending in words.
pub(super) fn ending_text(ending: &Ending) -> String {
    let from = match ending.leg {
        Leg::Downstream => "the client",
        Leg::Upstream => "the upstream",
    };
    let what = match &ending.kind {
        EndingKind::CloseFrame { code: Some(code), reason } if reason.is_empty() => {
            format!("Close {code} from {from}")
        }
        EndingKind::CloseFrame { code: Some(code), reason } => {
            format!("Close {code} \"{}\" from {from}", printable(reason))
        }
        EndingKind::CloseFrame { code: None, .. } => format!("Close without a code from {from}"),
        EndingKind::Fin => format!("FIN from {from}"),
        EndingKind::FinMidFrame { missing: Some(missing), .. } => {
            format!("FIN inside a frame from {from}, {missing} bytes missing")
        }
        EndingKind::FinMidFrame { missing: None, .. } => {
            format!("FIN inside the header of a frame from {from}")
        }
        EndingKind::Reset { .. } => format!("RST from {from}"),
        EndingKind::Failed { error } => format!("{error} on the leg of {from}"),
        EndingKind::Tls { end } => format!("TLS of {from} ended: {end:?}"),
        EndingKind::CutByWstap { why } => format!("cut by wstap: {}", printable(why)),
        EndingKind::ResetNotPassed => format!("reset could not be passed on to {from}"),
    };
    format!("{what} at {}", ending.at)
}

/// Text from the wire as a terminal may show it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
