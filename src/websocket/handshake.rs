//! The opening handshake's proof (RFC 6455 §4.2.2, step 5.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

/// The constant that every server appends to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The Sec-WebSocket-Accept that fits a Sec-WebSocket-Key.
pub fn accept_for(key: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(GUID.as_bytes());
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rfc_example_fits() {
        // §1.3
        assert_eq!(super::accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
