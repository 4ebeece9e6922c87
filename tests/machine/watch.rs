//! How long the machine kept a tap's store from running: that much may be added to any promise of
//! a time, and on a quiet machine it is next to nothing.

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The threads that write to the store.
const THREADS: [&str; 2] = ["store", "judge"];
/// What was late before that has been caught up with.
const WINDOW: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Watch {
    watching: Option<(Sender<()>, JoinHandle<Duration>)>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    /// How long the threads have been ready and not running, ever.
    kept: Duration,
    /// How late this look was.
    late: Duration,
}

impl Watch {
    pub(crate) fn start(pid: u32) -> Self {
        let (watching, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut looks = VecDeque::new();
            let mut due = Instant::now();
            loop {
                let at = Instant::now();
                looks.push_back(Look {
                    at,
                    kept: kept(pid),
                    late: at.saturating_duration_since(due),
                });
                while looks.front().is_some_and(|look: &Look| look.at + WINDOW < at) {
                    looks.pop_front();
                }
                due = Instant::now() + LOOK;
                if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return sum(&looks);
                }
            }
        });
        Self { watching: Some((watching, thread)) }
    }

    /// How late the store may be just now.
    pub(crate) fn stop(&mut self) -> Duration {
        let (watching, thread) = self.watching.take().expect("stopped once");
        drop(watching);
        thread.join().expect("a watch does not panic")
    }
}

fn sum(looks: &VecDeque<Look>) -> Duration {
    let (Some(first), Some(last)) = (looks.front(), looks.back()) else { return Duration::ZERO };
    let late = looks.iter().map(|look| look.late).max().unwrap_or_default();
    last.kept.saturating_sub(first.kept) + late
}

/// The second number of `schedstat`, in nanoseconds, of each of the threads.
fn kept(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_thread = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let kept = stat.split_whitespace().nth(1)?.parse().ok()?;
        THREADS.contains(&name.trim()).then(|| Duration::from_nanos(kept))
    };
    tasks.filter_map(of_thread).sum()
}
