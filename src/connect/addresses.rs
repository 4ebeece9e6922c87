//! Names to addresses: anew at each dial, but dials at the same moment share one lookup.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

/// Errors must be cloned for each of the dials that share a lookup.
pub(super) type Answer = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// The addresses of one host name.
pub(super) struct Addresses {
    host: String,
    // A leaf: held for a few instructions, never across an await.
    under_way: Mutex<Option<WeakShared<BoxFuture<'static, Answer>>>>,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Addresses {
    pub(super) fn of(host: &str) -> Self {
        Self { host: host.to_owned(), under_way: Mutex::new(None) }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// A literal needs no lookup.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) fn resolve(&self) -> Shared<BoxFuture<'static, Answer>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let running = under_way.as_ref().and_then(WeakShared::upgrade);
        if let Some(running) = running.filter(|lookup| lookup.peek().is_none()) {
            return running;
        }
        let fresh = lookup(self.host.clone()).boxed().shared();
        *under_way = fresh.downgrade();
        fresh
    }
}

async fn lookup(host: String) -> Answer {
    let found = tokio::net::lookup_host((host.as_str(), 0)).await.map_err(Arc::new)?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in found.map(|addr| addr.ip()) {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(addresses.into())
}

/// The order of RFC 8305 §4: families take turns, the first answer's family begins.
pub(super) fn interleaved(answers: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let first_is_v6 = answers.first().is_some_and(IpAddr::is_ipv6);
    let (leading, trailing): (Vec<IpAddr>, Vec<IpAddr>) =
        answers.iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(answers.len());
    let mut trailing = trailing.into_iter();
    for ip in leading {
        ordered.push(SocketAddr::new(ip, port));
        ordered.extend(trailing.next().map(|ip| SocketAddr::new(ip, port)));
    }
    ordered.extend(trailing.map(|ip| SocketAddr::new(ip, port)));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let answers: Vec<IpAddr> =
            ["::1", "::2", "::3", "127.0.0.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        let ordered: Vec<String> =
            interleaved(&answers, 7).iter().map(ToString::to_string).collect();
        assert_eq!(ordered, ["[::1]:7", "127.0.0.1:7", "[::2]:7", "[::3]:7"]);
    }

    #[tokio::test]
    async fn lookups_at_the_same_moment_are_one_and_later_ones_are_new() {
        let addresses = Addresses::of("localhost");
        let (one, two) = (addresses.resolve(), addresses.resolve());
        assert!(one.ptr_eq(&two));
        assert!(!one.clone().await.unwrap().is_empty());
        assert!(!addresses.resolve().ptr_eq(&one));
    }
}
