//! Which names stand for secrets: of headers, of query keys, of JSON fields, in free text.

use super::percent;

/// What the value of a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderKind {
    /// Wholly secret.
    Secret,
    /// A scheme word, then a secret.
    Credentials,
    Cookie,
    SetCookie,
    Subprotocol,
    /// May hold URLs and tokens among other text.
    Text,
    /// Known to hold no secret.
    Plain,
    /// A scheme word, then parameters or a token (RFC 9110 §11.3).
    Challenge,
}

/// Judges a header by its name.
pub(super) fn header(name: &str) -> HeaderKind {
    let name = name.trim().to_ascii_lowercase();
    match name.as_str() {
        "authorization" | "proxy-authorization" => HeaderKind::Credentials,
        "cookie" => HeaderKind::Cookie,
        "set-cookie" => HeaderKind::SetCookie,
        "sec-websocket-protocol" => HeaderKind::Subprotocol,
        "sec-websocket-key" | "sec-websocket-accept" | "sec-websocket-version" => HeaderKind::Plain,
        "www-authenticate" | "proxy-authenticate" => HeaderKind::Challenge,
        ":authority" => HeaderKind::Text,
        other => {
            let word = squeezed(other);
            let secret = is_strong_word(&word)
                || word.contains("cookie")
                || word.contains("jwt")
                || word.contains("signature")
                || ["session", "sessionid", "pwd"].iter().any(|end| word.ends_with(end))
                || (word.contains("auth") && !word.contains("authority"));
            if secret { HeaderKind::Secret } else { HeaderKind::Text }
        }
    }
}

/// Whether a query or fragment key names a secret; the key may be percent-encoded.
pub(super) fn query_key(key: &str) -> bool {
    const KEYS: [&str; 12] = [
        "key",
        "code",
        "auth",
        "authorization",
        "sig",
        "signature",
        "ticket",
        "jwt",
        "session",
        "sessionid",
        "sid",
        "pwd",
    ];
    let word = squeezed(&percent::decoded(key));
    KEYS.contains(&word.as_str())
        || is_strong_word(&word)
        || word.ends_with("signature")
        || word.ends_with("sessionid")
}

/// Whether a word before `=` or `:` in free text names a secret.
pub(super) fn text_key(key: &str) -> bool {
    const KEYS: [&str; 4] = ["authorization", "signature", "jwt", "cookie"];
    let word = squeezed(&percent::decoded(key));
    KEYS.contains(&word.as_str()) || is_strong_word(&word)
}

/// Whether a JSON field's name says that what is below it is secret.
pub(super) fn json_key(key: &str) -> bool {
    const ENDS: [&str; 11] = [
        "authorization",
        "cookie",
        "cookies",
        "signature",
        "recoveryscope",
        "pluginsurfaceurls",
        "canvashosturl",
        "pathenv",
        "jwt",
        "bearer",
        "pwd",
    ];
    let word = squeezed(key);
    is_strong_word(&word) || ENDS.iter().any(|end| word.ends_with(end))
}

/// Whether a name says that it counts tokens, when its value is a number.
pub(super) fn counts_tokens(key: &str) -> bool {
    const COUNTS: [&str; 6] = ["count", "limit", "budget", "usage", "max", "total"];
    let word = squeezed(key);
    word.contains("tokens") || word.contains("token") && COUNTS.iter().any(|c| word.contains(c))
}

fn is_strong_word(word: &str) -> bool {
    const PARTS: [&str; 16] = [
        "token",
        "passwd",
        "password",
        "passphrase",
        "secret",
        "apikey",
        "privatekey",
        "credential",
        "accesskey",
        "authkey",
        "subscriptionkey",
        "functionskey",
        "signingkey",
        "encryptionkey",
        "masterkey",
        "passcode",
    ];
    PARTS.iter().any(|part| word.contains(part))
}

/// Lower case, without what separates words: `X-Api-Key`, `api_key` and `apiKey` are one name.
fn squeezed(name: &str) -> String {
    name.chars()
        .filter(|char| !matches!(char, '-' | '_' | '.' | ' '))
        .map(|char| char.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_apart() {
        for name in
            ["X-Api-Key", "x-openclaw-token", "X-Auth-User", "X-CSRF-Token", "x-amz-signature"]
        {
            assert_eq!(header(name), HeaderKind::Secret, "{name}");
        }
        for name in ["Host", "Origin", "X-OpenClaw-Scopes", "X-Authority"] {
            assert_eq!(header(name), HeaderKind::Text, "{name}");
        }
        assert_eq!(header("AUTHORIZATION "), HeaderKind::Credentials);
        assert_eq!(header("Sec-WebSocket-Key"), HeaderKind::Plain);
    }

    #[test]
    fn keys_are_told_apart() {
        assert!(query_key("%74oken") && query_key("Access_Token") && query_key("CODE"));
        assert!(!query_key("client") && !query_key("monkey") && !query_key("codec"));
        assert!(json_key("deviceTokens") && json_key("api_key") && json_key("clientSecret"));
        assert!(!json_key("nonce") && !json_key("publicKey") && !json_key("sessionKey"));
        assert!(!text_key("code") && text_key("gateway.auth.token"));
    }
}
