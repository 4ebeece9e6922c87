//! Which rule of the configuration decides an origin, and whether the gateway's answer agrees.

use serde::Serialize;

use crate::openclaw::{GatewayConfig, Ruling, rule};

/// What the configuration says, beside what the gateway said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// `listed`, `wildcard`, `host_fallback`, `private_same_origin`, `local_loopback`,
    /// `unusable`, `not_allowed`.
    pub rule: &'static str,
    /// Absent when the gateway did not decide.
    pub agrees: Option<bool>,
    pub detail: String,
}

/// `local`: whether the gateway probably takes us for a client on its own machine.
pub(super) fn agreement(
    config: &GatewayConfig,
    (origin, host): (Option<&str>, Option<&str>),
    local: bool,
    accepted: Option<bool>,
) -> Agreement {
    let ruling = |local| rule(origin, host, config.origins(), local);
    let (likely, other) = (ruling(local), ruling(!local));
    let decided = match accepted {
        Some(accepted) if likely.allows() != accepted && other.allows() == accepted => other,
        Some(_) | None => likely,
    };
    let agrees = accepted.map(|accepted| decided.allows() == accepted);
    let mut detail = words(decided, config);
    if agrees == Some(true) && decided != likely {
        let place = if local { "another machine" } else { "its own machine" };
        detail = format!("{detail}; the gateway takes us for a client on {place}");
    }
    if agrees == Some(false) {
        detail.push_str(
            "; does the gateway run with this file, does a front rewrite Origin or Host?",
        );
    }
    Agreement { rule: name(decided), agrees, detail }
}

const fn name(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Unusable => "unusable",
        Ruling::Wildcard => "wildcard",
        Ruling::Listed(_) => "listed",
        Ruling::HostFallback => "host_fallback",
        Ruling::PrivateSameOrigin => "private_same_origin",
        Ruling::LocalLoopback => "local_loopback",
        Ruling::NotAllowed => "not_allowed",
    }
}

fn words(ruling: Ruling, config: &GatewayConfig) -> String {
    match ruling {
        Ruling::Unusable => "absent, null or no origin: always refused".to_owned(),
        Ruling::Wildcard => "allowed by the entry \"*\"".to_owned(),
        Ruling::Listed(at) => {
            let entry = config.allowed_origins.get(at).map_or("", String::as_str);
            format!("allowed by the entry \"{entry}\"")
        }
        Ruling::HostFallback => {
            "allowed by dangerouslyAllowHostHeaderOriginFallback: it equals Host".to_owned()
        }
        Ruling::PrivateSameOrigin => "allowed: it equals Host, and that is private".to_owned(),
        Ruling::LocalLoopback => "allowed: a loopback page of a client on the machine".to_owned(),
        Ruling::NotAllowed => "no entry and no other rule allows it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_explained_by_where_the_gateway_thinks_we_are() {
        let config = GatewayConfig::parse("{}", |_| None).unwrap();
        let pair = (Some("http://localhost:9"), Some("gw:1"));
        let refused = agreement(&config, pair, true, Some(false));
        assert_eq!((refused.rule, refused.agrees), ("not_allowed", Some(true)));
        assert!(refused.detail.contains("another machine"));
        let taken = agreement(&config, pair, true, Some(true));
        assert_eq!((taken.rule, taken.agrees), ("local_loopback", Some(true)));
        let odd = agreement(&config, (Some("https://a"), None), true, Some(true));
        assert_eq!((odd.rule, odd.agrees), ("not_allowed", Some(false)));
        assert_eq!(agreement(&config, pair, true, None).agrees, None);
    }
}
