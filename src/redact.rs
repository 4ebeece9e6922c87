//! What never leaves the process: secrets in heads, URLs, messages and free text are replaced by
//! their length and a keyed fingerprint before anything is stored or shown.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod fingerprint;

pub use fingerprint::FingerprintKey;
