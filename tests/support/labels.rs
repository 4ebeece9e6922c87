//! What a verdict on a labelled trace may say.

/// Causes that count for a label: the wire does not tell them apart.
pub(crate) fn accepted(label: &str, layer: &str) -> Vec<String> {
    let more: &[&str] = match label {
        "gateway_killed" => &["eof_without_close_frame"],
        "plaintext_to_tls" => &["upstream_empty_reply"],
        "connected_scopes_cleared" => &[],
        _ if layer == "ok" => &["connected", "connected_scopes_cleared", "client_going_away"],
        _ => &[],
    };
    std::iter::once(label).chain(more.iter().copied()).map(str::to_owned).collect()
}
