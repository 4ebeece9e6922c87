//! HTTP/1.1 heads as bytes: where a request head ends and what it asks for, where a response
//! head and its body end, the edits that options ask for, and our own refusals.
//!
//! A head is never rebuilt. What is forwarded is the slice that came, or that slice with the
//! edits of [`Edits`] and nothing else changed.

mod body;
mod edit;
mod gate;
mod read;
mod refusal;
mod request;
mod response;

pub use body::{Body, BodyLength};
pub use edit::{Changed, Edit, Edited, Edits, Forwarded, ParseEditError};
pub use gate::{EditHead, Gate, Passed, PassedHead, Stop};
pub use read::{First, read_first};
pub use refusal::{refusal, refusal_text};
pub use request::{Asks, RequestHead};
pub use response::{ResponseHead, ResponseReader};
