//! wstap: a WebSocket-aware debugging proxy.
//!
//! ```text
//! client ── accept ── upgrade ── relay ── connect ── gateway
//!                                  │ told after each write, cannot say no
//!                               observe ── events ── store ── report
//! ```
//!
//! The library has no stable interface of its own: the command line, the JSON and the stored
//! format are what users rely on.

pub mod accept;
pub mod authority;
pub mod check;
pub mod cli;
pub mod connect;
pub mod findings;
pub mod gateway;
pub mod join;
pub mod observe;
pub mod openclaw;
pub mod proxy;
pub mod redact;
pub mod relay;
pub mod report;
pub mod session;
pub mod socket;
pub mod store;
pub mod timeline;
pub mod upgrade;
pub mod verdict;
pub mod websocket;
