//! An open leg: one TCP, Unix or TLS connection, its bytes, its ends and what the kernel knows of
//! it. It does not decide anything; whoever relays does.
//!
//! Rules of Linux that callers live by:
//! - Read first and ask [`Stream::take_error`] afterwards: asking first turns a reset into a FIN.
//! - A leg that is not being read shows a reset only through [`Stream::watch_error`].
//! - Closing with unread input sends RST, whoever wanted a FIN.

mod counted;
mod error_watch;
mod facts;
mod failure;
mod pem;
mod raw;
mod stream;
mod tcp_info;

pub use counted::Counted;
pub use error_watch::ErrorWatch;
pub use facts::{certificate_facts, certificate_subject, client_facts, server_facts};
pub use failure::{Failure, errno_name};
pub use pem::{PemError, read_certificates, read_key};
pub use raw::Raw;
pub use stream::{Finish, Stream, Tls};
