//! What the first bytes of a TLS client say, when they come where no TLS is expected.

use rustls::server::Acceptor;

use crate::session::OpaqueFacts;

/// RFC 8446 §5.1: a handshake record, of a version that begins with 3.
const HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The beginning of a connection, looked at as a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientHello {
    /// Not TLS.
    No,
    /// It began like one; more bytes may complete it.
    Partial,
    Whole(OpaqueFacts),
}

impl ClientHello {
    /// Looks at a copy: `prefix` is still to be relayed.
    pub fn of(prefix: &[u8]) -> Self {
        let begins = prefix.len().min(HANDSHAKE.len());
        if prefix.is_empty() || prefix[..begins] != HANDSHAKE[..begins] {
            return Self::No;
        }
        let mut acceptor = Acceptor::default();
        let mut rest = prefix;
        loop {
            match acceptor.read_tls(&mut rest) {
                Ok(0) => return Self::Partial,
                Ok(_) => {}
                Err(_) => return Self::No,
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let names = hello.alpn().into_iter().flatten();
                    return Self::Whole(OpaqueFacts {
                        what: "tls_client_hello".to_owned(),
                        sni: hello.server_name().map(str::to_owned),
                        alpn: names.map(|one| String::from_utf8_lossy(one).into_owned()).collect(),
                    });
                }
                Err(_) => return Self::No,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};

    use super::*;

    fn hello() -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = "gateway.test".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        wire
    }

    #[test]
    fn a_hello_is_known_by_its_first_byte_and_read_when_whole() {
        let wire = hello();
        for cut in 1..wire.len() {
            assert_eq!(ClientHello::of(&wire[..cut]), ClientHello::Partial, "{cut} bytes");
        }
        let facts = OpaqueFacts {
            what: "tls_client_hello".to_owned(),
            sni: Some("gateway.test".to_owned()),
            alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
        };
        assert_eq!(ClientHello::of(&wire), ClientHello::Whole(facts));
    }

    #[test]
    fn other_bytes_are_none() {
        for bytes in [b"".as_slice(), b"GET / HTTP/1.1\r\n", &[0x16, 0x16], &[0x16, 3, 1, 0, 0]] {
            assert_eq!(ClientHello::of(bytes), ClientHello::No, "{bytes:?}");
        }
    }
}
