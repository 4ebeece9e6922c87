//! Requests that are no upgrades: the health probes and the Control UI page.
use super::head::Head;
use super::hello::BUILD_ID;

const JSON: &str = "application/json; charset=utf-8";
const LIVE: &str = r#"{"ok":true,"status":"live"}"#;
/// As recorded, in this order; only the content policy is shorter.
const CONTROL_UI_HEADERS: &str = "\
X-Content-Type-Options: nosniff\r\n\
Referrer-Policy: no-referrer\r\n\
Permissions-Policy: camera=(self), microphone=*, geolocation=*, clipboard-write=*\r\n\
X-Frame-Options: DENY\r\n\
Content-Security-Policy: default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; connect-src 'self' ws: wss: data:\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Cache-Control: no-cache\r\n\
Vary: Accept-Encoding\r\n";
const READY: &str = r#"{"ready":true}"#;

/// The whole answer, head and body.
pub(super) fn answer(head: &Head, keep_alive: bool) -> Vec<u8> {
    let reads = matches!(head.method.as_str(), "GET" | "HEAD");
    let (status, headers, body) = match head.path() {
        "/healthz" if reads => ("200 OK", plain(JSON), LIVE.to_owned()),
        "/readyz" if reads => ("200 OK", plain(JSON), READY.to_owned()),
        "/" if reads => ("200 OK", CONTROL_UI_HEADERS.to_owned(), control_ui()),
        _ => ("404 Not Found", plain("text/plain; charset=utf-8"), "Not Found".to_owned()),
    };
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
        .unwrap_or_default();
    let connection = if keep_alive {
        "Connection: keep-alive\r\nKeep-Alive: timeout=5"
    } else {
        "Connection: close"
    };
    let mut wire = format!(
        "HTTP/1.1 {status}\r\n{headers}Date: {date}\r\n{connection}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if head.method != "HEAD" {
        wire.push_str(&body);
    }
    wire.into_bytes()
}

fn plain(content_type: &str) -> String {
    format!("Content-Type: {content_type}\r\nCache-Control: no-store\r\n")
}

/// A page that is recognised as the Control UI; it holds no application.
pub(super) fn control_ui() -> String {
    format!(
        "<!doctype html>\n<html data-openclaw-control-ui-base-path=\"\" data-openclaw-control-ui-build-id=\"{BUILD_ID}\" lang=\"en\">\n  <head>\n    <meta charset=\"UTF-8\" />\n    <title>OpenClaw Control</title>\n  </head>\n  <body>\n    <p>This is a stand-in for the gateway. It has no Control UI.</p>\n  </body>\n</html>\n"
    )
}
