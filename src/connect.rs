//! Reaching the upstream: names, addresses, a proxy in between, TLS; with the time of each step
//! and every address that was tried.

mod addresses;
mod causes;
mod dialer;
mod eyeballs;
mod shortage;
mod tls;
mod upstream;
mod via;
mod witness;

pub use dialer::{DialSettings, Dialer, DialerError, Dialled};
pub use tls::{ClientTlsError, ClientTlsSettings};
pub use upstream::{Upstream, UpstreamError};
pub use via::{ViaError, ViaSpec};
