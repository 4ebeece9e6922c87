//! A reverse proxy as small as can be: it relays, and cuts connections that are silent too long.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(listener: TcpListener, upstream: SocketAddr, idle_limit: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                connections.spawn(relay(client, upstream, idle_limit));
            }
            // A connection that failed shows in the record of its session.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(
    mut client: TcpStream,
    upstream: SocketAddr,
    idle_limit: Duration,
) -> io::Result<()> {
    let mut gateway = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    gateway.set_nodelay(true)?;
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => break,
                read => gateway.write_all(&up[..read]).await?,
            },
            read = gateway.read(&mut down) => match read? {
                0 => break,
                read => client.write_all(&down[..read]).await?,
            },
            () = tokio::time::sleep(idle_limit) => break,
        }
    }
    // As nginx does at the end of proxy_read_timeout: FIN both ways, and no word to either.
    client.shutdown().await?;
    gateway.shutdown().await
}
