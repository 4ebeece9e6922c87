//! A socket without TLS, and what the kernel tells of it and does with it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::{error_watch::ErrorWatch, tcp_info};
use crate::session::{Leg, Offset, TcpSample};

/// A connected TCP or Unix socket.
#[derive(Debug)]
pub enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Raw {
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.set_nodelay(true),
            Self::Unix(_) => Ok(()),
        }
    }

    pub fn set_keepalive(&self, every: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => {
                let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
                SockRef::from(tcp).set_tcp_keepalive(&keepalive)
            }
            Self::Unix(_) => Ok(()),
        }
    }

    pub(super) fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.set_zero_linger(),
            Self::Unix(_) => Ok(()),
        }
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(tcp) => tcp.take_error(),
            Self::Unix(unix) => unix.take_error(),
        }
    }

    pub(super) fn watch_error(&self) -> io::Result<ErrorWatch> {
        match self {
            Self::Tcp(tcp) => ErrorWatch::tcp(tcp.as_fd().try_clone_to_owned()?),
            Self::Unix(unix) => ErrorWatch::unix(unix.as_fd().try_clone_to_owned()?),
        }
    }

    pub(super) fn unsent(&self) -> Option<u32> {
        tcp_info::unsent(self.as_fd()).ok()
    }

    pub(super) fn sample(&self, leg: Leg, at: Offset) -> Option<TcpSample> {
        match self {
            Self::Tcp(tcp) => tcp_info::sample(tcp.as_fd(), leg, at).ok(),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn peer_name(&self) -> String {
        match self {
            Self::Tcp(tcp) => tcp.peer_addr().map_or_else(|_| String::new(), plain),
            Self::Unix(unix) => path_name(unix.peer_addr().ok().as_ref()),
        }
    }

    pub fn local_name(&self) -> String {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().map_or_else(|_| String::new(), plain),
            Self::Unix(unix) => path_name(unix.local_addr().ok().as_ref()),
        }
    }
}

/// An IPv4 peer of a listener on `[::]` reads as IPv4.
fn plain(mut addr: std::net::SocketAddr) -> String {
    addr.set_ip(addr.ip().to_canonical());
    addr.to_string()
}

fn path_name(addr: Option<&tokio::net::unix::SocketAddr>) -> String {
    match addr.and_then(|addr| addr.as_pathname()) {
        Some(path) => format!("unix:{}", path.display()),
        None => "unix".to_owned(),
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Raw {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends FIN. That the other side is gone already is no failure of it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        };
        done.map(|result| match result {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}
