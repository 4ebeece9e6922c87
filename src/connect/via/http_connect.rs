//! A tunnel through an HTTP proxy (RFC 9110 §9.3.6).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Credentials, Refusal};
use crate::socket::Raw;

const LONGEST_HEAD: usize = 16 * 1024;

pub(super) async fn ask(
    raw: &mut Raw,
    target: &str,
    credentials: Option<&Credentials>,
    status: &mut Option<u16>,
) -> Result<(), Refusal> {
    raw.write_all(request(target, credentials).as_bytes()).await?;
    let mut head = BytesMut::new();
    loop {
        if raw.read_buf(&mut head).await? == 0 {
            return Err(Refusal::Closed);
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(&head) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if head.len() < LONGEST_HEAD => continue,
            Ok(httparse::Status::Partial) => {
                return Err(Refusal::NotTheProtocol("answered with an endless head"));
            }
            Err(_) => return Err(Refusal::NotTheProtocol("did not answer with HTTP")),
        };
        let code = response.code.unwrap_or_default();
        *status = Some(code);
        if !(200..300).contains(&code) {
            return Err(Refusal::Answered(format!("{code} {}", response.reason.unwrap_or(""))));
        }
        // The upstream waits for our request, so nothing of its own can have followed.
        if head.len() > len {
            return Err(Refusal::NotTheProtocol("sent bytes of its own into the tunnel"));
        }
        return Ok(());
    }
}

fn request(target: &str, credentials: Option<&Credentials>) -> String {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        let basic = STANDARD.encode(format!("{user}:{password}"));
        // Writing to a String cannot fail.
        let _written = write!(request, "Proxy-Authorization: Basic {basic}\r\n");
    }
    request + "\r\n"
}
