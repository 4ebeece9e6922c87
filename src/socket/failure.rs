//! Why a read or write of a leg failed, by what the kernel or TLS said.

use std::io;

use crate::session::TlsEnd;

/// How a leg failed. A FIN is not a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// RST.
    Reset,
    /// TCP ended without `close_notify`.
    TlsTruncated,
    /// A fatal TLS alert came, by its name.
    TlsAlert(String),
    /// The bytes were not valid TLS; the reason.
    TlsBroken(String),
    /// The kernel gave the connection up: `ETIMEDOUT`, `EHOSTUNREACH`, ….
    Kernel(String),
}

impl Failure {
    /// Sorts an error of a read or write, or of [`super::Stream::take_error`].
    pub fn of(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            if let rustls::Error::AlertReceived(alert) = tls {
                return Self::TlsAlert(alert_name(*alert));
            }
            return Self::TlsBroken(tls.to_string());
        }
        if error.raw_os_error().is_none() && error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::TlsTruncated;
        }
        // A reset that follows the peer's own FIN is told as EPIPE.
        if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) {
            return Self::Reset;
        }
        Self::Kernel(errno_name(error))
    }

    /// The TLS part of it, if it is one.
    pub fn tls_end(&self) -> Option<TlsEnd> {
        match self {
            Self::TlsTruncated => Some(TlsEnd::Truncated),
            Self::TlsAlert(name) => Some(TlsEnd::Alert(name.clone())),
            Self::TlsBroken(reason) => Some(TlsEnd::Broken(reason.clone())),
            Self::Reset | Self::Kernel(_) => None,
        }
    }
}

/// The name of RFC 8446 §6, as `bad_certificate`.
fn alert_name(alert: rustls::AlertDescription) -> String {
    let mut name = String::new();
    for (at, letter) in format!("{alert:?}").chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    // The one alert whose name in rustls is not the RFC's words in camel case.
    name.replace("unknown_c_a", "unknown_ca").replace("p_s_k", "psk")
}

const NAMES: &[(i32, &str)] = &[
    (libc::EACCES, "EACCES"),
    (libc::EADDRINUSE, "EADDRINUSE"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ECONNABORTED, "ECONNABORTED"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ECONNRESET, "ECONNRESET"),
    (libc::EHOSTDOWN, "EHOSTDOWN"),
    (libc::EHOSTUNREACH, "EHOSTUNREACH"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENETDOWN, "ENETDOWN"),
    (libc::ENETRESET, "ENETRESET"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::ENOENT, "ENOENT"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::ENOTCONN, "ENOTCONN"),
    (libc::ENOTSOCK, "ENOTSOCK"),
    (libc::EPERM, "EPERM"),
    (libc::EPIPE, "EPIPE"),
    (libc::EPROTO, "EPROTO"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
];

/// `ECONNREFUSED` and its like; the error's own words when it has no name here.
pub fn errno_name(error: &io::Error) -> String {
    let name = error
        .raw_os_error()
        .and_then(|code| NAMES.iter().find(|(known, _)| *known == code))
        .map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_the_name_of_the_rfc() {
        use rustls::AlertDescription as A;
        let names = [
            (A::HandshakeFailure, "handshake_failure"),
            (A::UnknownCA, "unknown_ca"),
            (A::BadCertificate, "bad_certificate"),
            (A::UnknownPSKIdentity, "unknown_psk_identity"),
            (A::InternalError, "internal_error"),
        ];
        for (alert, name) in names {
            assert_eq!(alert_name(alert), name);
        }
    }

    #[test]
    fn errors_of_the_kernel_keep_their_names() {
        let of = |code| Failure::of(&io::Error::from_raw_os_error(code));
        assert_eq!(of(libc::ECONNRESET), Failure::Reset);
        assert_eq!(of(libc::EPIPE), Failure::Reset);
        assert_eq!(of(libc::ETIMEDOUT), Failure::Kernel("ETIMEDOUT".to_owned()));
        assert_eq!(of(libc::EHOSTUNREACH), Failure::Kernel("EHOSTUNREACH".to_owned()));
    }
}
