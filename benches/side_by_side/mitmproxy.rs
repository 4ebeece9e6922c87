//! mitmproxy, from the path or from a virtual environment made beside the build output.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::peers::{find, loopback};
use crate::process::Process;

/// `mitmdump`, fetched once with pip when it is not installed.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    if let Ok(installed) = find("mitmdump") {
        return Ok(installed);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mitmproxy");
    let program = folder.join("bin/mitmdump");
    if !program.is_file() {
        run(Command::new(find("python3")?).args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "mitmproxy"]))?;
    }
    Ok(program)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}", said.trim().lines().next_back().unwrap_or("failed"));
    }
    Ok(())
}

pub(crate) fn start(
    upstream: u16,
    port: u16,
    folder: &Path,
) -> anyhow::Result<(Process, SocketAddr)> {
    let arguments = [
        "--quiet".to_owned(),
        "--mode".to_owned(),
        format!("reverse:http://127.0.0.1:{upstream}"),
        "--listen-host".to_owned(),
        "127.0.0.1".to_owned(),
        "--listen-port".to_owned(),
        port.to_string(),
        "--set".to_owned(),
        format!("confdir={}", folder.display()),
    ];
    Ok((Process::spawn(&program()?, arguments, |_| ())?, loopback(port)))
}
