//! The server behind the tap: sends every message back, answers a Close with the same Close, and
//! waits for the client to end first.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;

use crate::wire::{self, CLOSE};

/// Serves until the runtime ends.
pub(crate) fn echo(runtime: &Handle) -> SocketAddr {
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a loopback port");
    let listener = socket.listen(4096).expect("a listener");
    let addr = listener.local_addr().expect("its address");
    runtime.spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("a client");
            // One that is cut off ends here; what that means is for the client to judge.
            tokio::spawn(async move { serve(client).await.ok() });
        }
    });
    addr
}

async fn serve(client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(4096, client);
    wire::read_head(&mut stream).await?;
    stream.write_all(wire::switching().as_bytes()).await?;
    while let Some(frame) = wire::read_frame(&mut stream).await? {
        stream.write_all(&wire::frame(frame.opcode, &frame.payload, false)).await?;
        if frame.opcode == CLOSE {
            wire::read_frame(&mut stream).await?;
            break;
        }
    }
    stream.shutdown().await
}
