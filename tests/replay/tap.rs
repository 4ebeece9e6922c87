//! The real proxy as a child process with a store of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    child: Child,
    _store: TempDir,
}

impl Tap {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let store = TempDir::new().expect("folder for the store");
        let mut child = Command::new(env!("CARGO_BIN_EXE_wstap"))
            .args([
                "proxy",
                "--listen",
                "127.0.0.1:0",
                "--upstream",
                &format!("ws://{upstream}"),
                "--store",
            ])
            .arg(store.path().join("sessions.db"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the proxy");
        let lines = BufReader::new(child.stderr.take().expect("stderr of the proxy")).lines();
        let (found, address) = mpsc::channel();
        // Reads on to the end, so the proxy never waits for a full pipe.
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = listening_address(&line) {
                    found.send(address).ok();
                }
            }
        });
        let address = address.recv_timeout(Duration::from_secs(30));
        if address.is_err() {
            child.kill().ok();
            child.wait().ok();
        }
        Self {
            address: address.expect("the proxy says where it is listening"),
            child,
            _store: store,
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.contains("listening").then(|| line.split_once("127.0.0.1:"))??;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}").parse().ok()
}

#[test]
fn the_address_is_found_in_the_line() {
    let expected = "127.0.0.1:4711".parse().ok();
    assert_eq!(
        listening_address("INFO listening on 127.0.0.1:4711, upstream ws://127.0.0.1:9"),
        expected
    );
    assert_eq!(listening_address("connected to 127.0.0.1:4711"), None);
}
