//! One listening socket. Nothing that a client does, and no lack of descriptors, ends it.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::ListenSpec;
use crate::socket::Stream;

const BACKLOG: u32 = 1024;
/// How long to leave accepting alone when the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket. A Unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Listening,
    name: String,
    tls: bool,
    paused: bool,
    /// What was accepted while the end of a pause had still to be told, or while there was no
    /// second descriptor for it.
    accepted: Option<Incoming>,
    /// Copied for every client; nothing is ever sent here.
    spare: OwnedFd,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A client that came.
#[derive(Debug)]
pub struct Incoming {
    /// Nagle's algorithm is off. TLS and PROXY headers have not been looked at.
    pub stream: Stream,
    /// The client's address, `unix` on Unix sockets.
    pub peer: String,
    pub local: String,
    /// Nothing on Unix sockets.
    pub peer_ip: Option<IpAddr>,
    pub spare: Spare,
}

/// Keeps a descriptor for the dial that follows. Clients that were accepted and cannot be served
/// would hold the very descriptors that the others need; they wait in the backlog instead. Drop it
/// right before the dial.
#[derive(Debug, Default)]
pub struct Spare(Option<OwnedFd>);

/// What came of waiting for a client.
#[derive(Debug)]
pub enum Accept {
    Accepted(Incoming),
    /// No client can be accepted and served for now, most likely for want of descriptors. Told once; the
    /// next call waits a little and tries again.
    Paused(io::Error),
    /// Accepting works again.
    Resumed,
}

/// Why there is no listener.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    #[error("cannot listen at {place}: {source}")]
    Bind { place: String, source: io::Error },
    #[error("{place} is in use: another process listens there")]
    InUse { place: String },
    #[error("{path} exists and is not a socket; remove it or choose another path")]
    NotASocket { path: PathBuf },
}

impl Listener {
    /// Starts listening; must be called within a tokio runtime.
    pub fn bind(spec: &ListenSpec) -> Result<Self, BindError> {
        let failed = |source: io::Error| {
            let place = spec.to_string();
            if source.kind() == io::ErrorKind::AddrInUse {
                return BindError::InUse { place };
            }
            BindError::Bind { place, source }
        };
        let (socket, name) = match spec {
            ListenSpec::Tcp { addr, tls } => {
                let listener = bind_tcp(*addr).map_err(failed)?;
                let addr = listener.local_addr().map_err(failed)?;
                (Listening::Tcp(listener), ListenSpec::Tcp { addr, tls: *tls }.to_string())
            }
            ListenSpec::Unix(path) => {
                remove_stale(path)?;
                let (listener, file) = bind_unix(path).map_err(failed)?;
                (Listening::Unix(listener, file), spec.to_string())
            }
        };
        let spare = Socket::new(Domain::UNIX, Type::DGRAM, None).map_err(failed)?.into();
        Ok(Self { socket, name, tls: spec.is_tls(), paused: false, accepted: None, spare })
    }

    /// As `tls://127.0.0.1:18889`, with the port that was really bound.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Listening::Tcp(listener) => listener.local_addr().ok(),
            Listening::Unix(..) => None,
        }
    }

    pub fn path(&self) -> Option<&Path> {
        match &self.socket {
            Listening::Tcp(_) => None,
            Listening::Unix(_, file) => Some(&file.path),
        }
    }

    /// Waits for the next client. Clients that are gone again before they were accepted are
    /// passed over.
    ///
    /// # Cancel safety
    /// Cancel safe: no client is lost when this is dropped.
    pub async fn accept(&mut self) -> Accept {
        loop {
            if self.paused {
                tokio::time::sleep(PAUSE).await;
            }
            match self.take_in().await {
                Ok(()) if self.paused => {
                    self.paused = false;
                    return Accept::Resumed;
                }
                Ok(()) => {
                    if let Some(incoming) = self.accepted.take() {
                        return Accept::Accepted(incoming);
                    }
                }
                Err(error) if is_of_the_client(&error) || self.paused => {}
                Err(error) => {
                    self.paused = true;
                    return Accept::Paused(error);
                }
            }
        }
    }

    /// Sees to it that a client is accepted and has all it needs.
    async fn take_in(&mut self) -> io::Result<()> {
        let mut incoming = match self.accepted.take() {
            Some(incoming) => incoming,
            None => self.socket.accept().await?,
        };
        let spare = match incoming.spare.0.take() {
            Some(spare) => Ok(spare),
            None => self.spare.try_clone(),
        };
        let result = spare.map(|spare| incoming.spare = Spare(Some(spare)));
        self.accepted = Some(incoming);
        result
    }
}

impl Listening {
    async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Self::Tcp(listener) => {
                let (tcp, peer) = listener.accept().await?;
                tcp.set_nodelay(true)?;
                let stream = Stream::from(tcp);
                // Not asked of the socket, which has forgotten it if the client is gone already.
                let ip = peer.ip().to_canonical();
                let peer = SocketAddr::new(ip, peer.port()).to_string();
                let (local, spare) = (stream.local_name(), Spare::default());
                Ok(Incoming { peer, local, stream, peer_ip: Some(ip), spare })
            }
            Self::Unix(listener, file) => {
                let (unix, _) = listener.accept().await?;
                let stream = Stream::from(unix);
                let local = format!("unix:{}", file.path.display());
                let (peer, spare) = (stream.peer_name(), Spare::default());
                Ok(Incoming { peer, local, stream, peer_ip: None, spare })
            }
        }
    }
}

/// accept(2): errors of the network that are already pending on the new socket. `EINVAL` is a
/// client that reset before its options could be set.
fn is_of_the_client(error: &io::Error) -> bool {
    const CODES: [i32; 9] = [
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::EINTR,
        libc::EINVAL,
        libc::EPROTO,
        libc::EPERM,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
    ];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// A socket file that nobody listens at any more is left over from a process that was killed.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    let place = || format!("unix:{}", path.display());
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| BindError::Bind { place: place(), source })
        }
        Ok(_) | Err(_) => Err(BindError::InUse { place: place() }),
    }
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::made(path)?;
    // Nobody can connect before `listen`, so there is no moment of wider permissions.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from_std(OwnedFd::from(socket).into())?, file))
}

/// The file of a Unix socket, removed with its listener unless somebody has replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn made(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).ok() == Some(self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "socket file was not removed");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
