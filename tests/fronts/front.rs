//! A real reverse proxy as a foreground child with a configuration of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::child::OwnedChild;
use crate::support::free_port;

const START: Duration = Duration::from_secs(30);
const PORTS_TRIED: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Nginx,
    Haproxy,
    Caddy,
}

/// A running front. Dropped, it is killed with all it started.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) addr: SocketAddr,
    child: OwnedChild,
    _folder: TempDir,
}

impl Program {
    fn baseline(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("nginx.conf"),
            Self::Haproxy => include_str!("haproxy.cfg"),
            Self::Caddy => include_str!("Caddyfile"),
        }
    }

    fn command(self, file: &Path, folder: &Path) -> Command {
        let mut command = Command::new(match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        });
        match self {
            Self::Nginx => {
                command.arg("-c").arg(file).arg("-e").arg(folder.join("nginx.err"));
            }
            Self::Haproxy => {
                command.args(["-db", "-f"]).arg(file);
            }
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            }
        }
        command
            .env_clear()
            // Debian keeps nginx and haproxy where ordinary users do not look.
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", folder)
            .env("XDG_DATA_HOME", folder)
            .env("XDG_CONFIG_HOME", folder);
        command
    }
}

impl Front {
    /// Starts the program with its baseline, each pair of `change` replaced in it, in front of
    /// `upstream`.
    pub(crate) fn start(program: Program, change: &[(&str, &str)], upstream: SocketAddr) -> Self {
        for _ in 1..PORTS_TRIED {
            if let Ok(front) = Self::try_start(program, change, upstream) {
                return front;
            }
        }
        Self::try_start(program, change, upstream)
            .unwrap_or_else(|said| panic!("{program:?} with {change:?} does not start: {said}"))
    }

    fn try_start(
        program: Program,
        change: &[(&str, &str)],
        upstream: SocketAddr,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let port = free_port();
        let mut config = program.baseline().to_owned();
        for (from, to) in change {
            assert!(config.contains(from), "{program:?}: no {from:?} in the baseline");
            config = config.replace(from, to);
        }
        let config = config
            .replace("@UP@", &upstream.port().to_string())
            .replace("@P@", &port.to_string())
            .replace("@D@", folder.path().to_str().expect("a path in UTF-8"))
            .replace("@CERTS@", concat!(env!("CARGO_MANIFEST_DIR"), "/certs"));
        let file = folder.path().join("config");
        std::fs::write(&file, config).expect("a config file");
        // The workers of a front that starts as root are somebody else, and need this folder.
        std::fs::write(folder.path().join("users"), "user:{PLAIN}secret\n").expect("a file");
        let mut child = OwnedChild::spawn(&mut program.command(&file, folder.path()));
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + START;
        while !listens(port) {
            if child.has_ended() || Instant::now() > deadline {
                let (stdout, stderr) = child.into_texts();
                return Err(format!("{stdout}{stderr}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { addr, child, _folder: folder })
    }
}

impl Front {
    /// Reads its configuration again.
    pub(crate) fn reload(&mut self) {
        self.child.signal("HUP");
    }
}

/// Whether anybody listens, without connecting: a front of bytes would dial its upstream at once.
fn listens(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc is mounted");
    let ours = format!("0100007F:{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        // 0A is LISTEN.
        matches!(fields.as_slice(), [_, local, _, "0A", ..] if *local == ours)
    })
}
