//! The composition root: the only place that wires listeners, heads, relay, observer, redaction
//! and store into the life of a connection.

mod connection;
mod console;
mod exchange;
mod gateway_log;
mod judge;
mod place;
mod recording;
mod serve;
mod settings;
mod tunnel;
mod watcher;

pub use console::{Console, LogFormat};
pub use serve::{Bound, Proxy, ProxyError};
pub use settings::{Route, Settings};
