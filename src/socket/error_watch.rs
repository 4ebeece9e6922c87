//! Waiting for a socket to fail without reading from it.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use super::{Failure, Raw};

/// Resolves when the kernel reports a reset or a time-out, with or without unread bytes before it.
///
/// It takes the error away from the socket: later reads give the bytes that came before it and
/// then 0, which is then no FIN.
///
/// It holds a duplicate of the socket's descriptor, so it must be dropped before the socket is
/// closed with zero linger: until then closing sends nothing.
pub struct ErrorWatch {
    failed: Pin<Box<dyn Future<Output = Failure> + Send>>,
}

impl ErrorWatch {
    /// A second registration of the same connection, for the first one belongs to the relay.
    pub(super) fn tcp(duplicate: OwnedFd) -> io::Result<Self> {
        let tcp = TcpStream::from_std(duplicate.into())?;
        Ok(Self { failed: Box::pin(wait(Raw::Tcp(tcp))) })
    }

    pub(super) fn unix(duplicate: OwnedFd) -> io::Result<Self> {
        let unix = UnixStream::from_std(duplicate.into())?;
        Ok(Self { failed: Box::pin(wait(Raw::Unix(unix))) })
    }
}

impl fmt::Debug for ErrorWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorWatch").finish_non_exhaustive()
    }
}

impl Future for ErrorWatch {
    type Output = Failure;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Failure> {
        self.failed.as_mut().poll(cx)
    }
}

async fn wait(socket: Raw) -> Failure {
    let taken = match &socket {
        Raw::Tcp(tcp) => tcp.async_io(Interest::ERROR, || pending_error(tcp.take_error())).await,
        Raw::Unix(unix) => {
            unix.async_io(Interest::ERROR, || pending_error(unix.take_error())).await
        }
    };
    Failure::of(&taken.unwrap_or_else(|error| error))
}

/// `WouldBlock` when somebody else has taken the error already, a read for instance.
fn pending_error(taken: io::Result<Option<io::Error>>) -> io::Result<io::Error> {
    taken?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
}
