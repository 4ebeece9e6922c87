//! A tunnel through a SOCKS5 proxy (RFC 1928), with or without a password (RFC 1929).

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Credentials, Refusal};
use crate::socket::Raw;

const VERSION: u8 = 0x05;
const NO_AUTHENTICATION: u8 = 0x00;
const USER_AND_PASSWORD: u8 = 0x02;
const NO_METHOD: u8 = 0xff;

const CONNECT: u8 = 0x01;
const IPV4: u8 = 0x01;
const DOMAIN: u8 = 0x03;
const IPV6: u8 = 0x04;

pub(super) async fn ask(
    raw: &mut Raw,
    (host, port): (&str, u16),
    credentials: Option<&Credentials>,
    status: &mut Option<u16>,
) -> Result<(), Refusal> {
    negotiate(raw, credentials).await?;
    raw.write_all(&request(host, port)?).await?;
    let [version, reply, _, kind] = read(raw).await?;
    if version != VERSION {
        return Err(Refusal::NotTheProtocol("did not answer with SOCKS5"));
    }
    *status = Some(u16::from(reply));
    if reply != 0 {
        return Err(Refusal::Answered(format!("reply {reply} ({})", meaning(reply))));
    }
    // Nothing behind the bound address may be taken: it belongs to the tunnel.
    let address = match kind {
        IPV4 => 4,
        IPV6 => 16,
        DOMAIN => usize::from(raw.read_u8().await?),
        _ => return Err(Refusal::NotTheProtocol("answered with an unknown kind of address")),
    };
    let mut bound = vec![0; address + 2];
    raw.read_exact(&mut bound).await?;
    Ok(())
}

async fn negotiate(raw: &mut Raw, credentials: Option<&Credentials>) -> Result<(), Refusal> {
    let offer: &[u8] = match credentials {
        None => &[VERSION, 1, NO_AUTHENTICATION],
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
    };
    raw.write_all(offer).await?;
    let [version, method] = read(raw).await?;
    if version != VERSION {
        return Err(Refusal::NotTheProtocol("did not answer with SOCKS5"));
    }
    match (method, credentials) {
        (NO_AUTHENTICATION, _) => Ok(()),
        (USER_AND_PASSWORD, Some(credentials)) => log_in(raw, credentials).await,
        (NO_METHOD, None) => Err(Refusal::Answered("it wants a user name and password".into())),
        (NO_METHOD, Some(_)) => Err(Refusal::Answered("it accepts none of our methods".into())),
        _ => Err(Refusal::NotTheProtocol("chose a method that was not offered")),
    }
}

/// RFC 1929 §2.
async fn log_in(raw: &mut Raw, credentials: &Credentials) -> Result<(), Refusal> {
    let mut request = vec![0x01];
    for part in [&credentials.user, &credentials.password] {
        request.push(length(part)?);
        request.extend_from_slice(part.as_bytes());
    }
    raw.write_all(&request).await?;
    let [_, answer] = read(raw).await?;
    if answer != 0 {
        return Err(Refusal::Answered("wrong user name or password".into()));
    }
    Ok(())
}

/// RFC 1928 §4. A name goes to the proxy as a name.
fn request(host: &str, port: u16) -> Result<Vec<u8>, Refusal> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            request.push(IPV4);
            request.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(IPV6);
            request.extend(ip.octets());
        }
        Err(_) => {
            request.extend([DOMAIN, length(host)?]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn length(part: &str) -> Result<u8, Refusal> {
    u8::try_from(part.len())
        .map_err(|_| Refusal::NotTheProtocol("cannot be asked for a name longer than 255 bytes"))
}

async fn read<const N: usize>(raw: &mut Raw) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    raw.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// RFC 1928 §6.
const fn meaning(reply: u8) -> &'static str {
    match reply {
        0x01 => "general failure",
        0x02 => "not allowed by its rules",
        0x03 => "network unreachable",
        0x04 => "host unreachable",
        0x05 => "connection refused",
        0x06 => "TTL expired",
        0x07 => "command not supported",
        0x08 => "address type not supported",
        _ => "unassigned",
    }
}
