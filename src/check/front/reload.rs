//! Trial: what a reload of the proxy does to sessions that are open.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::deviation::Deviation;
use super::idle::ping_until;
use super::rig::{Ask, Rig};
use super::trial::Found;

pub(super) const NAME: &str = "reload";

/// How long after the user said so a session is still watched.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// When the watching of open sessions ends.
#[derive(Clone, Copy, Debug)]
pub enum Reload {
    /// After this time, in which the user reloads the proxy.
    Within(Duration),
    /// Some seconds after what this gives resolves: the user says that the reload is done.
    When(fn() -> oneshot::Receiver<()>),
}

/// Keeps a session with pings open while the proxy is reloaded.
pub(super) async fn watch(rig: &Rig, reload: Reload) -> Found {
    let mut opened = rig.open(Ask::default()).await?;
    let began = Instant::now();
    let far = began + Duration::from_hours(24);
    let cut = match reload {
        Reload::Within(span) => ping_until(&mut opened, began, began + span).await,
        Reload::When(done) => {
            let seen = tokio::select! {
                cut = ping_until(&mut opened, began, far) => Some(cut),
                _ = done() => None,
            };
            match seen {
                Some(cut) => cut,
                None => ping_until(&mut opened, began, Instant::now() + AFTERWARDS).await,
            }
        }
    };
    let Some(cut) = cut else { return Ok(Vec::new()) };
    let says = "a reload of the proxy ends sessions that are open";
    Ok(vec![Deviation::warning("reload.cut", says).between("a session with pings", cut.words())])
}
