//! Follows the gateway's log into the store, on a thread of its own: traffic never waits for it,
//! and what cannot be written yet stays in the file that it is read from.

mod tail;

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Console;
use crate::redact::{Redactor, Secrets};
use crate::store::{LogWriter, StoreError};
use crate::timeline::LogLine;
use tail::{Tail, There};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The running follower.
#[derive(Debug)]
pub(super) struct GatewayLog {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl GatewayLog {
    /// Keeps what is appended to `file` from now on.
    pub(super) fn follow(
        file: &Path,
        store: &Path,
        redactor: Redactor,
        console: Console,
    ) -> Result<Self, StoreError> {
        let mut follower = Follower {
            source: file.display().to_string(),
            tail: Tail::from_end(file),
            writer: LogWriter::open(store)?,
            redactor,
            console,
            unwritten: Vec::new(),
            said: String::new(),
        };
        // From here on nothing that is appended is missed.
        follower.look();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("gateway-log".to_owned())
            .spawn(move || follower.run(&stopped))
            .map_err(StoreError::Thread)?;
        Ok(Self { stop, thread })
    }

    /// Reads what is there and ends.
    pub(super) fn close(self) {
        drop(self.stop);
        drop(self.thread.join());
    }
}

#[derive(Debug)]
struct Follower {
    source: String,
    tail: Tail,
    writer: LogWriter,
    redactor: Redactor,
    console: Console,
    unwritten: Vec<LogLine>,
    /// The last thing said of the file, for it is said once.
    said: String,
}

impl Follower {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let stop = match stopped.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            while self.look() {}
            if stop {
                return;
            }
        }
    }

    /// Takes in what was appended. Whether there may be more at once.
    fn look(&mut self) -> bool {
        if self.unwritten.is_empty() {
            match self.read() {
                Ok(There::Yes) => self.say("is read"),
                Ok(There::NotYet) => self.say("is not there yet"),
                Err(error) => self.say(&format!("cannot be read: {error}")),
            }
        }
        if self.unwritten.is_empty() {
            return false;
        }
        match self.writer.add(&self.source, &self.unwritten) {
            Ok(_) => {
                self.unwritten.clear();
                true
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                self.say(&format!("waits for the store: {error:#}"));
                false
            }
        }
    }

    fn read(&mut self) -> io::Result<There> {
        let (unwritten, redactor) = (&mut self.unwritten, &self.redactor);
        self.tail.read(|line| {
            let line = String::from_utf8_lossy(line);
            let scrub = |text: &str| redactor.line(text, &mut Secrets::default());
            if !line.trim().is_empty() {
                unwritten.push(LogLine::parse(&line, scrub));
            }
        })
    }

    fn say(&mut self, what: &str) {
        if self.said != what {
            what.clone_into(&mut self.said);
            self.console.say(&format!("the gateway's log {} {what}", self.source));
        }
    }
}

#[cfg(test)]
mod tests;
