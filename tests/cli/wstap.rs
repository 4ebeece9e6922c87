//! The program, a folder of its own to run in, and a store with the sample sessions in it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use wstap::session::{Direction, FrameRun, FrameShape, Offset};
use wstap::store::{GroupEncoder, GroupHead, Recorder, Settings, TapInfo};

use super::sample::{self, Sample};

/// A place without any setting of whoever runs the tests.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A store that holds these sessions, and frames of the one with everything.
    pub(crate) fn with(samples: &[Sample]) -> Self {
        let place = Self::new();
        let (recorder, writer) =
            Recorder::open(&place.store(), &TapInfo::default(), Settings::default())
                .expect("a store");
        for sample in samples {
            record(&recorder, sample, sample.id == sample::everything().id);
        }
        writer.close().expect("everything written");
        place
    }

    pub(crate) fn with_all() -> Self {
        Self::with(&sample::all())
    }

    /// Where a store is when nobody says where.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("state/wstap/wstap.db")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wstap"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.finish(self.command(line))
    }

    pub(crate) fn finish(&self, mut command: Command) -> Ran {
        let output = command.output().expect("the program starts");
        let text = |bytes| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.replace(&self.folder.path().display().to_string(), "[FOLDER]")
        };
        Ran {
            code: output.status.code().expect("an exit code"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The command's whole result, as a snapshot has it.
    pub(crate) fn snapshot(&self, line: &str) -> String {
        let Ran { code, stdout, stderr } = self.run(line);
        format!("$ wstap {line}\nexit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}

impl Ran {
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// An output that nobody reads.
pub(crate) fn reader_gone() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// An output with no room.
pub(crate) fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("the device").into()
}

pub(crate) fn record(recorder: &Recorder, sample: &Sample, with_frames: bool) {
    let key = recorder.begin(sample.id, sample.started_at);
    let (finished, before) = sample.events.split_last().expect("events");
    for timed in before {
        recorder.fact(key, timed.clone());
    }
    let mut group = GroupEncoder::default();
    for (ms, direction, first_frame, first, len, count) in FRAMES.iter().filter(|_| with_frames) {
        let masked = *direction == Direction::ClientToServer;
        let shape = FrameShape { first: *first, masked, minimal: *len != 300 };
        group.push(FrameRun { shape, len: *len, count: *count });
        let (direction, first_frame) = (*direction, *first_frame);
        recorder.frames(
            key,
            GroupHead { direction, at: Offset(ms * 1000), first_frame },
            &mut group,
        );
    }
    recorder.fact(key, finished.clone());
}

type Frames = (u64, Direction, u64, u8, u64, u64);

/// Time, direction, number, first byte, length, how many.
const FRAMES: [Frames; 5] = [
    (9, Direction::ServerToClient, 0, 0x81, 180, 1),
    (12, Direction::ClientToServer, 0, 0x81, 300, 1),
    (15, Direction::ServerToClient, 1, 0xc1, 17_000, 2),
    (16, Direction::ClientToServer, 1, 0x83, 5, 1),
    (25_000, Direction::ServerToClient, 3, 0x89, 5, 1),
];
