//! Idle sessions: opened, one short exchange each, then silent until stdin ends.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::frame;
use crate::handshake;
use crate::job::Job;

/// The line on stdout that says that all sessions stand.
pub(crate) const READY: &str = "ready";

/// Opens `sessions` sessions, through TLS when a certificate to trust is given, and holds them.
pub(crate) async fn hold(
    proxy: SocketAddr,
    sessions: usize,
    trust: Option<&Path>,
) -> anyhow::Result<()> {
    let tls = trust.map(connector).transpose()?;
    let mut plain = Vec::new();
    let mut secure = Vec::new();
    for _ in 0..sessions {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        if let Some(tls) = &tls {
            let name = ServerName::try_from("localhost")?;
            let mut stream = tls.connect(name, stream).await?;
            greet(&mut stream, proxy).await?;
            secure.push(stream);
        } else {
            greet(&mut stream, proxy).await?;
            plain.push(stream);
        }
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{READY}")?;
    stdout.flush()?;
    drop(stdout);
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || {
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest)
    })
    .await??;
    drop((plain, secure));
    Ok(())
}

/// Upgrade and one exchange, so that both directions have carried a frame.
async fn greet<S>(stream: &mut S, proxy: SocketAddr) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    handshake::upgrade(stream, &proxy.to_string(), &Job::Echo.to_string()).await?;
    let payload = frame::payload(64);
    stream.write_all(&frame::text(&payload, true)).await?;
    let expected = frame::text(&payload, false);
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).await?;
    ensure!(answer == expected, "the echo differs from what was sent");
    Ok(())
}

fn connector(trust: &Path) -> anyhow::Result<TlsConnector> {
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(trust)
        .with_context(|| format!("no certificate in {}", trust.display()))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
