//! What wstap is to say of a session with a front on its way: layer, cause, hop, how sure, and the
//! setting to change.

pub(crate) const WELL: &str = "layer=ok cause=connected sure=certain culprit=-";
pub(crate) const OTHER_HOST: &str = "layer=ok cause=connected sure=certain warns=host_differs";

/// The request came to wstap without what was dropped.
pub(crate) const STRIPPED_BEFORE: &str = "layer=transport cause=upgrade_stripped who=front_proxy \
    leg=client sure=certain set=proxy_http_version";
/// The request left wstap whole.
pub(crate) const STRIPPED_BEHIND: &str = "layer=transport cause=upgrade_stripped who=front_proxy \
    leg=upstream sure=certain set=proxy_http_version";

pub(crate) const UNTRUSTED: &str = "layer=transport cause=proxy_attribution_required \
    who=front_proxy leg=upstream sure=certain set=gateway.trustedProxies";

/// That it was a proxy's limit is not on the wire: a client that is killed ends its leg alike.
pub(crate) const CLIENT_FIN: &str = "layer=transport cause=client_fin_no_close_frame who=unknown \
    leg=client sure=likely culprit=-";
pub(crate) const CLIENT_RESET: &str = "layer=transport cause=client_reset_mid_session who=unknown \
    leg=client sure=likely culprit=-";

/// The end is certain; whose it was nothing tells.
pub(crate) const NAMELESS_FIN: &str = "layer=transport cause=eof_without_close_frame who=unknown \
    leg=upstream culprit=-";
pub(crate) const NGINX_LIMIT: &str = "layer=transport cause=eof_without_close_frame \
    who=front_proxy leg=upstream sure=likely culprit=nginx_proxy_read_timeout \
    set=proxy_read_timeout";
pub(crate) const CADDY_LIMIT: &str = "layer=transport cause=eof_without_close_frame \
    who=front_proxy leg=upstream sure=likely culprit=Caddy_read_timeout_towards_the_upstream \
    set=transport";

pub(crate) const GATEWAY_DOWN: &str =
    "layer=transport cause=upstream_refused who=gateway leg=upstream sure=certain";
pub(crate) const NAMED_502: &str =
    "layer=transport cause=http_502 who=front_proxy leg=upstream sure=certain";
pub(crate) const NAMELESS_503: &str =
    "layer=transport cause=http_503 who=front_proxy leg=upstream sure=likely";

pub(crate) const LOGIN: &str = "layer=auth cause=http_401_reverse_proxy who=front_proxy \
    leg=upstream sure=certain set=auth_basic";
pub(crate) const REDIRECT: &str =
    "layer=transport cause=http_redirect who=front_proxy leg=upstream sure=certain";
pub(crate) const NAMELESS_403: &str =
    "layer=transport cause=http_403_reverse_proxy who=front_proxy leg=upstream sure=likely";
pub(crate) const PAGE: &str =
    "layer=transport cause=http_200_not_websocket who=front_proxy leg=upstream sure=certain";
pub(crate) const NOT_HTTP: &str =
    "layer=transport cause=answer_not_http who=unknown leg=upstream sure=certain";
