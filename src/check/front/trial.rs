//! What a trial is, and the one that opens each of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::deviation::Deviation;
use super::peer::{Peer, Seen};
use super::rig::{Broken, Rig};

/// What a trial found, or why it could not be done.
pub(super) type Found = Result<Vec<Deviation>, Box<Broken>>;

pub(super) type Running = Pin<Box<dyn Future<Output = Found> + Send>>;

/// One question to the proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) run: fn(Arc<Rig>) -> Running,
}

/// How long a trial takes where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Moments,
    /// It waits on purpose, beside all others.
    Long,
}

/// How long something on its way is waited for before it counts as lost.
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(5);

/// What arrives at `to` next, in words.
pub(super) async fn arrives(to: &mut Peer) -> (Seen, String) {
    let seen = to.next_within(ON_THE_WAY).await;
    let words = match &seen {
        Seen::Frame(frame) => super::frame::shown(frame),
        Seen::Gone(gone) => gone.name().to_owned(),
        Seen::Nothing => "nothing within 5 s".to_owned(),
    };
    (seen, words)
}
