//! The measured systems: how each is started in front of a load server of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use crate::certificate::Certificate;
use crate::job::Job;
use crate::process::{Process, first_line};
use crate::{load_client, mitmproxy, peer_config};

const START: Duration = Duration::from_secs(30);
const TAP: &str = env!("CARGO_BIN_EXE_wstap");

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum System {
    /// wstap with recording on.
    Tap,
    /// A blind relay of 64 KiB reads.
    Blind,
    /// The same relay once more: the difference between the two is noise.
    BlindAgain,
    Nginx,
    Haproxy,
    Caddy,
    Mitmproxy,
}

impl System {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Blind => "blind",
            Self::BlindAgain => "blind again",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Mitmproxy => "mitmproxy",
        }
    }

    /// What the program says about itself, in one line.
    pub(crate) fn version(self) -> anyhow::Result<String> {
        let said = match self {
            Self::Tap => output(Path::new(TAP), "--version")?,
            Self::Blind | Self::BlindAgain => "tokio, 64 KiB reads, two worker threads".to_owned(),
            Self::Nginx => output(&find("nginx")?, "-v")?,
            Self::Haproxy => output(&find("haproxy")?, "-v")?,
            Self::Caddy => output(&find("caddy")?, "version")?,
            Self::Mitmproxy => output(&mitmproxy::program()?, "--version")?,
        };
        Ok(said.lines().next().unwrap_or_default().trim().to_owned())
    }
}

/// What a program prints, wherever it prints it: `nginx -v` uses stderr.
fn output(program: &Path, option: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg(option).output()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Servers live in sbin, which is not on the path of everybody.
pub(crate) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed"))
}

/// A system that runs, with its load server behind it.
pub(crate) struct Lineup {
    pub(crate) system: System,
    pub(crate) front: SocketAddr,
    pub(crate) server: SocketAddr,
    peer: Process,
    _server: Process,
}

impl Lineup {
    /// Starts `system` with its files in `folder`; with a certificate its listener speaks TLS (the tap alone).
    pub(crate) fn start(
        system: System,
        folder: &Path,
        tls: Option<&Certificate>,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let (server_process, server) = own_role(&["serve"])?;
        let (mut peer, front) = match system {
            System::Tap => tap(server, folder, tls)?,
            System::Blind | System::BlindAgain => own_role(&["relay", &server.to_string()])?,
            System::Nginx => nginx(server.port(), folder)?,
            System::Haproxy => haproxy(server.port(), folder)?,
            System::Caddy => caddy(server.port(), folder)?,
            System::Mitmproxy => mitmproxy::start(server.port(), free_port()?, folder)?,
        };
        wait_until_serving(&mut peer, front, tls.is_some())?;
        Ok(Self { system, front, server, peer, _server: server_process })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.peer.pid()
    }
}

/// This executable again, as the server or the relay that its arguments name; it says its port first.
fn own_role(arguments: &[&str]) -> anyhow::Result<(Process, SocketAddr)> {
    let mut process = Process::spawn(&std::env::current_exe()?, arguments, |command| {
        command.stdout(Stdio::piped());
    })?;
    let port = first_line(process.take_stdout()?, START, |line| line.trim().parse().ok())?;
    Ok((process, loopback(port)))
}

fn tap(
    server: SocketAddr,
    folder: &Path,
    tls: Option<&Certificate>,
) -> anyhow::Result<(Process, SocketAddr)> {
    let store = folder.join("sessions.db");
    let upstream = format!("ws://{server}");
    let mut arguments =
        vec!["proxy", "--quiet", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--store"]
            .into_iter()
            .map(Into::into)
            .collect::<Vec<std::ffi::OsString>>();
    arguments.push(store.into());
    if let Some(tls) = tls {
        arguments.extend(["--tls-cert".into(), tls.certificate.clone().into()]);
        arguments.extend(["--tls-key".into(), tls.key.clone().into()]);
    }
    let mut process = Process::spawn(Path::new(TAP), arguments, |command| {
        // Nothing of the run goes to the user's own state folder.
        command.stderr(Stdio::piped()).env("XDG_STATE_HOME", folder);
    })?;
    let front = first_line(process.take_stderr()?, START, listening_address)?;
    Ok((process, front))
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let host = "127.0.0.1:";
    let address = line
        .contains("listening")
        .then(|| line.find(host))
        .flatten()
        .map(|at| &line[at + host.len()..])?;
    let digits = address.find(|c: char| !c.is_ascii_digit()).unwrap_or(address.len());
    address[..digits].parse().ok().map(loopback)
}

fn nginx(upstream: u16, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let port = free_port()?;
    let file = folder.join("nginx.conf");
    fs::write(&file, peer_config::nginx(port, upstream, folder))?;
    let errors = folder.join("nginx.err");
    let arguments = ["-c".as_ref(), file.as_os_str(), "-e".as_ref(), errors.as_os_str()];
    Ok((Process::spawn(&find("nginx")?, arguments, |_| ())?, loopback(port)))
}

fn haproxy(upstream: u16, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let port = free_port()?;
    let file = folder.join("haproxy.cfg");
    fs::write(&file, peer_config::haproxy(port, upstream))?;
    let arguments = ["-db".as_ref(), "-f".as_ref(), file.as_os_str()];
    Ok((Process::spawn(&find("haproxy")?, arguments, |_| ())?, loopback(port)))
}

fn caddy(upstream: u16, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let port = free_port()?;
    let file = folder.join("Caddyfile");
    fs::write(&file, peer_config::caddy(port, upstream))?;
    let arguments = ["run", "--adapter", "caddyfile", "--config"].map(AsRef::as_ref);
    let arguments = arguments.into_iter().chain([file.as_os_str()]);
    let process = Process::spawn(&find("caddy")?, arguments, |command| {
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    })?;
    Ok((process, loopback(port)))
}

/// For programs that cannot say which port the kernel gave them.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Waits for the first upgrade that succeeds; behind TLS for the first accepted connection.
fn wait_until_serving(peer: &mut Process, front: SocketAddr, tls: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let deadline = Instant::now() + START;
    loop {
        if !peer.is_running()? {
            bail!("{} ended at its start", peer.name());
        }
        let attempt = if tls {
            std::net::TcpStream::connect(front).map(drop).map_err(Into::into)
        } else {
            let patience = Duration::from_secs(5);
            runtime
                .block_on(async {
                    tokio::time::timeout(patience, load_client::open(front, Job::Echo)).await
                })
                .map_err(Into::into)
                .and_then(|opened| opened.map(drop))
        };
        match attempt {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{} does not serve", peer.name())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
