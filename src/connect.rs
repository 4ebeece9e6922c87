//! Reaching the upstream: names, addresses, a proxy in between, TLS; with the time of each step
//! and every address that was tried.

mod addresses;
mod causes;
mod dialer;
mod eyeballs;
mod upstream;

pub use dialer::{Dialer, Dialled};
pub use upstream::{Upstream, UpstreamError};
