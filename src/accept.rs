//! Sockets in: listeners, TLS as a server, PROXY protocol headers, and what a ClientHello on a
//! plain port tells.

mod client_hello;
mod listener;
mod proxy_header;
mod spec;
mod tls;

pub use client_hello::ClientHello;
pub use listener::{Accept, BindError, Incoming, Listener, Spare};
pub use proxy_header::{ProxyHeaderError, TrustedProxies, read_proxy_header};
pub use spec::{ListenSpec, ListenSpecError};
pub use tls::{ServerTls, ServerTlsError, TlsFailure};
