//! A child process in a process group of its own. It never outlives its owner, and neither does
//! anything it started.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::wait_for;

/// How long a process may take to go once it was told to.
const GOING: Duration = Duration::from_secs(20);

/// A running child and what it has printed so far.
#[derive(Debug)]
pub(crate) struct OwnedChild {
    child: Child,
    name: String,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl OwnedChild {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = Lines::read_from(child.stdout.take().expect("stdout is piped"));
        let stderr = Lines::read_from(child.stderr.take().expect("stderr is piped"));
        Self { child, name, stdout, stderr }
    }

    /// Waits until the child ends by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let Self { child, name, stderr, .. } = self;
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            let said = || stderr.all().join("\n");
            assert!(Instant::now() < deadline, "{name} still runs after {within:?}: {}", said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it went by itself already.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Sends `TERM`, `KILL`, `HUP`, `STOP` ... to the child alone, if it is still there: the id
    /// of one that was waited for may be somebody else's by now.
    pub(crate) fn signal(&mut self, signal: &str) {
        if self.child.try_wait().expect("a child can be waited for").is_none() {
            send(signal, &self.child.id().to_string());
        }
    }

    /// Asks the child to go, unless it went already, and waits until it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait(GOING)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the child if it still runs and returns all it printed to stdout and to stderr.
    pub(crate) fn into_texts(mut self) -> (String, String) {
        kill_group(self.child.id());
        (self.stdout.text(), self.stderr.text())
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        kill_group(self.child.id());
        drop(self.child.wait());
    }
}

/// What a finished command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a command to its end; one that outlives the deadline fails the test.
    pub(crate) fn of(command: &mut Command, within: Duration) -> Self {
        let mut child = OwnedChild::spawn(command);
        let code = child.wait(within).code();
        let (stdout, stderr) = child.into_texts();
        Self { code, stdout, stderr }
    }
}

/// Lines that arrive in the background, so that a full pipe never stops the child.
#[derive(Debug)]
pub(crate) struct Lines {
    shared: Arc<(Mutex<Arrived>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Arrived {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn read_from(pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Arrived::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                lock(&writer.0).lines.push(line);
                writer.1.notify_all();
            }
            lock(&writer.0).ended = true;
            writer.1.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    /// The first line, past or future, that `wanted` holds for.
    pub(crate) fn first(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + within;
        let mut arrived = lock(&self.shared.0);
        loop {
            if let Some(line) = arrived.lines.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !arrived.ended && !left.is_zero(),
                "no such line in:\n{}",
                arrived.lines.join("\n")
            );
            let waited = self.shared.1.wait_timeout(arrived, left);
            arrived = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Every line so far.
    pub(crate) fn all(&self) -> Vec<String> {
        lock(&self.shared.0).lines.clone()
    }

    /// Every line there will ever be, as one text. Waits until the pipe is closed.
    fn text(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of a pipe does not panic");
        }
        self.all().join("\n")
    }
}

fn lock(arrived: &Mutex<Arrived>) -> MutexGuard<'_, Arrived> {
    arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Kills a process group and waits until nothing of it runs.
pub(crate) fn kill_group(leader: u32) {
    send("KILL", &format!("-{leader}"));
    wait_for("the death of a process group", GOING, || (!group_runs(leader)).then_some(()));
}

/// Sends a signal to a process, or with a minus sign before its id to a group.
pub(crate) fn send(signal: &str, target: &str) {
    // The shell's own `kill`: a bare Debian has no other. It fails when nobody is left to be
    // told, which is what the caller wants anyway.
    let told = Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "$1" 2> /dev/null"#, signal, target])
        .status();
    told.expect("sh runs");
}

/// Whether any process of the group still runs; one that is dead but not yet reaped does not.
fn group_runs(leader: u32) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    processes.filter_map(Result::ok).any(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name before the last ")" may itself hold blanks and brackets.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = after_name.split_ascii_whitespace();
        let state = fields.next().unwrap_or("Z");
        let group = fields.nth(1).and_then(|group| group.parse().ok());
        !matches!(state, "Z" | "X") && group == Some(leader)
    })
}
