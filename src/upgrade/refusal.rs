//! What a client gets when the upstream cannot be reached: short, and in wstap's name.

/// A whole response that says who answers, which leg failed and why.
///
/// `status` is 502, or 504 when it was a time-out (RFC 9110 §15.6). The connection closes after it.
pub fn refusal(status: u16, upstream: &str, why: &str) -> Vec<u8> {
    let reason = if status == 504 { "Gateway Timeout" } else { "Bad Gateway" };
    let body = refusal_text(upstream, why);
    format!(
        "HTTP/1.1 {status} {reason}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         X-Wstap: upstream leg\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The body of such a response.
pub fn refusal_text(upstream: &str, why: &str) -> String {
    format!("wstap could not reach the upstream {upstream}: {why}\n")
}
