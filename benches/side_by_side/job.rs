//! What the load server does on one session; the request path carries it through the proxy.

use std::fmt;

use anyhow::{Context as _, bail};

#[derive(Clone, Copy)]
pub(crate) enum Job {
    /// Send frames of `size` bytes: `frames` of them, or until the client ends when that is 0.
    Down { size: usize, frames: u64 },
    /// Read and count.
    Up,
    /// Send every short frame back.
    Echo,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { size, frames } => write!(f, "/down/{size}/{frames}"),
            Self::Up => write!(f, "/up"),
            Self::Echo => write!(f, "/echo"),
        }
    }
}

impl std::str::FromStr for Job {
    type Err = anyhow::Error;

    fn from_str(path: &str) -> anyhow::Result<Self> {
        let mut parts = path.split('/').skip(1);
        match parts.next() {
            Some("up") => Ok(Self::Up),
            Some("echo") => Ok(Self::Echo),
            Some("down") => Ok(Self::Down {
                size: parts.next().context("no frame size in the path")?.parse()?,
                frames: parts.next().context("no frame count in the path")?.parse()?,
            }),
            Some(_) | None => bail!("the load server has no job {path:?}"),
        }
    }
}
