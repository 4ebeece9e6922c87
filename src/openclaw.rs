//! What clients of an OpenClaw gateway say and the rules it decides by, as data: requests, device
//! proofs, origins, its configuration file. For whoever plays a client or the gateway.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod config;
mod device;
mod origin;
mod request;

pub use config::{ConfigError, GatewayConfig};
pub use device::{DeviceKey, Proof, Signed, device_block, device_id};
pub use origin::{Never, Origin, OriginPolicy, Ruling, never_matches, rule, same_host};
pub use request::{Client, connect_params, request, uuid};
