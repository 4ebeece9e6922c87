//! One end of a session: the socket, and a thread that reads all that comes.

use socket2::SockRef;
use std::fmt;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const CHUNK: usize = 256 * 1024;
const WRITE_TURN: Duration = Duration::from_millis(500);

/// How a connection was seen to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    Reset,
    Failed(ErrorKind),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fin => f.write_str("FIN"),
            Self::Reset => f.write_str("RST"),
            Self::Failed(kind) => write!(f, "{kind}"),
        }
    }
}

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) bytes: Vec<u8>,
    pub(super) end: Option<Ending>,
    /// A write met the reset first, so the read will only see an end.
    reset_met: bool,
    closing: bool,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct End {
    open: Option<(Arc<TcpStream>, JoinHandle<()>)>,
    shared: Arc<Shared>,
    pub(super) sent: usize,
}

impl End {
    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TURN))?;
        let (stream, shared) = (Arc::new(stream), Arc::new(Shared::default()));
        let reader = thread::spawn({
            let (stream, shared) = (Arc::clone(&stream), Arc::clone(&shared));
            move || read_all(&stream, &shared)
        });
        Ok(Self { open: Some((stream, reader)), shared, sent: 0 })
    }

    /// Waits for a condition on what has come; `false` when the deadline passed first.
    pub(super) fn wait(&self, deadline: Instant, until: impl Fn(&Inbox) -> bool) -> bool {
        let mut inbox = self.shared.inbox();
        while !until(&inbox) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (inbox, _) = self
                .shared
                .changed
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub(super) fn look<T>(&self, at: impl FnOnce(&Inbox) -> T) -> T {
        at(&self.shared.inbox())
    }

    pub(super) fn end(&self) -> Option<Ending> {
        self.look(|inbox| inbox.end)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    pub(super) fn send(
        &mut self,
        data: &[u8],
        deadline: Instant,
    ) -> std::result::Result<(), String> {
        let Some((stream, _)) = &self.open else { return Err("already closed".to_owned()) };
        let mut written = 0;
        while written < data.len() {
            if Instant::now() >= deadline {
                return Err(format!("blocked, {written} of {} bytes written", data.len()));
            }
            match (&**stream).write(&data[written..data.len().min(written + CHUNK)]) {
                Ok(count) => {
                    written += count;
                    self.sent += count;
                }
                Err(e) if is_retry(e.kind()) => {}
                Err(e) => {
                    if e.kind() == ErrorKind::ConnectionReset {
                        self.shared.inbox().reset_met = true;
                    }
                    return Err(format!("{} after {written} of {} bytes", e.kind(), data.len()));
                }
            }
        }
        Ok(())
    }

    /// Sends a FIN and reads on.
    pub(super) fn finish(&self) {
        if let Some((stream, _)) = &self.open {
            stream.shutdown(Shutdown::Write).ok();
        }
    }

    /// Closes both ways, with a RST when asked.
    pub(super) fn close(&mut self, reset: bool) {
        let Some((stream, reader)) = self.open.take() else { return };
        self.shared.inbox().closing = true;
        // Nothing goes on the wire by this, it only wakes the reader.
        stream.shutdown(Shutdown::Read).ok();
        reader.join().ok();
        if reset {
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).ok();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close(false);
    }
}

fn is_retry(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn read_all(mut stream: &TcpStream, shared: &Shared) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = stream.read(&mut chunk);
        let mut inbox = shared.inbox();
        if inbox.closing {
            return;
        }
        match read {
            Ok(0) => inbox.end = Some(if inbox.reset_met { Ending::Reset } else { Ending::Fin }),
            Ok(count) => inbox.bytes.extend_from_slice(&chunk[..count]),
            Err(e) if is_retry(e.kind()) => {}
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                inbox.end = Some(Ending::Reset);
            }
            Err(e) => inbox.end = Some(Ending::Failed(e.kind())),
        }
        shared.changed.notify_all();
        if inbox.end.is_some() {
            return;
        }
    }
}
