//! Trial: how large heads and bodies may be.

use std::sync::Arc;

use super::deviation::Deviation;
use super::head::pair;
use super::rig::{Ask, Rig};
use super::trial::{Found, Takes, Trial};

pub(super) const TRIAL: Trial =
    Trial { name: "limits", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    let cookie = |len: usize| pair("Cookie", format!("session={}", "c".repeat(len)));
    let small = Ask { more: vec![cookie(3 << 10)], ..Ask::default() };
    if let Err(broken) = rig.open(small).await {
        let says = "a cookie of 3 kB, as log-ins make them, is too much for the proxy";
        let deviation = Deviation::fault("limit.request_head_3k", says);
        found.push(deviation.between("a cookie of 3 kB", broken.words()));
    } else {
        let large = Ask { more: vec![cookie(16 << 10)], ..Ask::default() };
        if let Err(broken) = rig.open(large).await {
            let says = "the limit of request heads is between 3 kB and 16 kB, as in most set-ups";
            let deviation = Deviation::info("limit.request_head_16k", says);
            found.push(deviation.between("a cookie of 16 kB", broken.words()));
        }
    }
    let answer = vec![pair("X-Wstap-Long", "r".repeat(3 << 10))];
    if let Err(broken) = rig.open(Ask { answer, ..Ask::default() }).await {
        let says = "response heads of 3 kB are too much for the proxy; a 101 is rarely as long";
        let deviation = Deviation::info("limit.response_head_3k", says);
        found.push(deviation.between("a 101 with a header of 3 kB", broken.words()));
    }
    Ok(found)
}
