//! Extension negotiation (RFC 6455 §9.1), of which only permessage-deflate is understood.

use super::violation::Rules;

/// What a 101 agreed on for permessage-deflate (RFC 7692 §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeflateParams {
    /// The server starts every message with an empty window (§7.1.1.1).
    pub server_no_context_takeover: bool,
    pub client_no_context_takeover: bool,
}

impl DeflateParams {
    /// Reads the response's Sec-WebSocket-Extensions; nothing when deflate is not in it.
    pub fn negotiated(extensions: &str) -> Option<Self> {
        extensions.split(',').find_map(|extension| {
            let mut words = extension.split(';').map(str::trim);
            if !words.next()?.eq_ignore_ascii_case("permessage-deflate") {
                return None;
            }
            let mut params = Self::default();
            for word in words {
                let name = word.split('=').next().unwrap_or_default().trim();
                params.server_no_context_takeover |= name == "server_no_context_takeover";
                params.client_no_context_takeover |= name == "client_no_context_takeover";
            }
            Some(params)
        })
    }
}

impl Rules {
    /// The rules that a 101 with these extensions sets for one direction: masked is what the
    /// direction must be (§5.1), and an unknown extension may use any RSV bit.
    pub fn negotiated(masked: bool, extensions: Option<&str>) -> Self {
        let names = extensions
            .unwrap_or_default()
            .split(',')
            .map(|extension| extension.split(';').next().unwrap_or_default().trim());
        let mut rules = Self { masked, rsv: 0 };
        for name in names.filter(|name| !name.is_empty()) {
            rules.rsv |= if name.eq_ignore_ascii_case("permessage-deflate") { 0x40 } else { 0x70 };
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deflate_is_found_among_others() {
        let params = DeflateParams::negotiated(
            "x-other, permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
        );
        assert_eq!(
            params,
            Some(DeflateParams {
                server_no_context_takeover: true,
                client_no_context_takeover: false
            })
        );
        assert_eq!(DeflateParams::negotiated("permessage-other"), None);
        assert_eq!(Rules::negotiated(true, Some("permessage-deflate")).rsv, 0x40);
        assert_eq!(Rules::negotiated(true, Some("")).rsv, 0);
    }
}
