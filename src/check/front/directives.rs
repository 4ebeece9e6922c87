//! What to change in which proxy, by the slug of the deviation.

use std::collections::BTreeMap;

use super::proxy::Proxy;

type Row = (&'static str, &'static [(Proxy, &'static str)]);

use Proxy::{Apache, Caddy, Envoy, Haproxy, Nginx, Traefik};

const UPGRADE: &[(Proxy, &str)] = &[
    (
        Nginx,
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; \
         with map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
    ),
    (Caddy, "remove header_up -Upgrade and -Connection: reverse_proxy passes upgrades by itself"),
    (
        Haproxy,
        "remove http-request/http-response del-header or set-header for Upgrade and Connection",
    ),
    (Traefik, "remove the middleware that sets Upgrade or Connection"),
    (Envoy, "upgrade_configs: [{upgrade_type: websocket}]"),
    (
        Apache,
        "ProxyPass \"/\" \"http://UPSTREAM/\" upgrade=websocket, before other ProxyPass lines",
    ),
];

const HOST: &[(Proxy, &str)] = &[
    (Nginx, "proxy_set_header Host $http_host;"),
    (Caddy, "remove header_up Host (or: header_up Host {http.request.host}:{http.request.port})"),
    (Haproxy, "remove http-request set-header Host"),
    (Traefik, "passHostHeader: true"),
    (Envoy, "remove host_rewrite_literal, auto_host_rewrite"),
    (Apache, "ProxyPreserveHost On"),
];

const ORIGIN: &[(Proxy, &str)] = &[
    (Nginx, "remove proxy_set_header Origin"),
    (Caddy, "remove header_up -Origin, header_up Origin"),
    (Haproxy, "remove http-request del-header Origin, set-header Origin"),
    (Traefik, "remove Origin from customRequestHeaders"),
    (Envoy, "remove Origin from request_headers_to_remove"),
    (Apache, "remove RequestHeader unset Origin"),
];

const PASS_REQUEST: &[(Proxy, &str)] = &[
    (Nginx, "remove proxy_set_header for this header"),
    (Caddy, "remove header_up for this header"),
    (Haproxy, "remove http-request del-header, set-header, replace-header for this header"),
    (Traefik, "remove this header from customRequestHeaders"),
    (Envoy, "remove this header from request_headers_to_remove"),
    (Apache, "remove RequestHeader for this header"),
];

const PASS_RESPONSE: &[(Proxy, &str)] = &[
    (Nginx, "remove proxy_hide_header, add_header for this header"),
    (Caddy, "remove header_down for this header"),
    (Haproxy, "remove http-response del-header, set-header for this header"),
    (Traefik, "remove this header from customResponseHeaders"),
    (Envoy, "remove this header from response_headers_to_remove"),
    (Apache, "remove Header for this header"),
];

const IDLE: &[(Proxy, &str)] = &[
    (Nginx, "proxy_read_timeout 3600s; proxy_send_timeout 3600s;"),
    (Caddy, "in transport http: remove read_timeout and write_timeout, or raise them"),
    (Haproxy, "timeout tunnel 1h (without it timeout client and timeout server apply)"),
    (Traefik, "respondingTimeouts: raise readTimeout and idleTimeout"),
    (Envoy, "stream_idle_timeout: 0s, and idle_timeout: 0s of the route and the TCP proxy"),
    (Apache, "ProxyTimeout 3600"),
];

const LIFETIME: &[(Proxy, &str)] = &[
    (Nginx, "proxy_read_timeout 3600s; proxy_send_timeout 3600s;"),
    (Caddy, "remove stream_timeout, or raise it"),
    (Haproxy, "timeout tunnel 1h"),
    (Traefik, "respondingTimeouts: readTimeout: 0s, writeTimeout: 0s"),
    (Envoy, "timeout: 0s on the route, max_stream_duration: 0s"),
    (Apache, "ProxyTimeout 3600"),
];

const ANSWER: &[(Proxy, &str)] = &[
    (Nginx, "proxy_read_timeout 3600s;"),
    (Caddy, "in transport http: raise response_header_timeout and read_timeout"),
    (Haproxy, "timeout server 60s (the tunnel time-out does not apply before the 101)"),
    (Traefik, "serversTransport: responseHeaderTimeout"),
    (Envoy, "timeout: 0s on the route"),
    (Apache, "ProxyTimeout 3600"),
];

const RELOAD: &[(Proxy, &str)] = &[
    (Nginx, "worker_shutdown_timeout: remove it, or raise it above the life of a session"),
    (Caddy, "stream_close_delay 5m"),
    (Haproxy, "hard-stop-after: remove it, or raise it"),
    (Traefik, "lifeCycle: graceTimeOut"),
    (Envoy, "--drain-time-s, drain_timeout"),
    (Apache, "reload with apachectl graceful; GracefulShutdownTimeout"),
];

const BUFFER: &[(Proxy, &str)] = &[
    (Nginx, "proxy_buffering off; proxy_request_buffering off; on the WebSocket location"),
    (Caddy, "remove request_buffers and response_buffers; flush_interval -1"),
    (Haproxy, "remove option http-buffer-request, http-request wait-for-body"),
    (Traefik, "remove the buffering middleware"),
    (Envoy, "remove the buffer filter from this route"),
    (Apache, "SetEnv proxy-sendchunked 1; remove mod_reqtimeout and mod_buffer here"),
];

const REQUEST_HEAD: &[(Proxy, &str)] = &[
    (Nginx, "client_header_buffer_size 4k; large_client_header_buffers 4 16k;"),
    (Caddy, "servers { max_header_size 1MB }"),
    (Haproxy, "tune.bufsize 32768"),
    (Traefik, "entryPoints: http: maxHeaderBytes: 1048576"),
    (Envoy, "max_request_headers_kb: 60"),
    (Apache, "LimitRequestFieldSize 16380"),
];

const RESPONSE_HEAD: &[(Proxy, &str)] = &[
    (Nginx, "proxy_buffer_size 16k; proxy_buffers 4 16k; proxy_busy_buffers_size 32k;"),
    (Caddy, "in transport http: raise max_response_header"),
    (Haproxy, "tune.bufsize 32768"),
    (Traefik, "serversTransport: maxResponseHeaderBytes"),
    (Envoy, "max_response_headers_kb: 60"),
    (Apache, "ResponseFieldSize 16384 on ProxyPass"),
];

const REFUSED: &[(Proxy, &str)] = &[
    (
        Nginx,
        "in the location of the WebSocket path: proxy_pass, and neither return, auth_basic, \
         auth_request, limit_req nor limit_conn",
    ),
    (
        Caddy,
        "in the site and route of the WebSocket path: reverse_proxy, and neither respond, redir nor basicauth before it; the site's name must match Host",
    ),
    (
        Haproxy,
        "no http-request deny, redirect, auth for the WebSocket path; http-request allow if { hdr(Upgrade) -i websocket }",
    ),
    (Traefik, "the router's rule must match Host and path; no redirect or auth middleware on it"),
    (Envoy, "upgrade_configs: [{upgrade_type: websocket}], and a route that matches"),
    (Apache, "ProxyPass for the WebSocket path before others; no Redirect, no Require there"),
];

const TLS: &[(Proxy, &str)] = &[
    (Nginx, "proxy_pass http://UPSTREAM; (https: only if the upstream speaks TLS)"),
    (Caddy, "reverse_proxy http://UPSTREAM, without transport http { tls }"),
    (Haproxy, "remove ssl from the server line"),
    (Traefik, "url: http://UPSTREAM in the service"),
    (Envoy, "remove transport_socket from the cluster"),
    (Apache, "ProxyPass with http:// instead of https://"),
];

const HTTP2: &[(Proxy, &str)] = &[
    (Nginx, "proxy_http_version 1.1;"),
    (Caddy, "transport http { versions 1.1 }"),
    (Haproxy, "remove proto h2 from the server line"),
    (Traefik, "url: http:// instead of h2c:// in the service"),
    (Envoy, "http_protocol_options instead of http2_protocol_options in the cluster"),
    (Apache, "ProxyPass with http:// instead of h2c://"),
];

const CLIENT_HTTP2: &[(Proxy, &str)] = &[
    (Nginx, "remove http2 from listen without ssl"),
    (Caddy, "servers { protocols h1 h2 h3 } without h2c alone"),
    (Haproxy, "remove proto h2 from the bind line"),
    (Envoy, "codec_type: AUTO"),
    (Apache, "Protocols http/1.1"),
];

const PROXY_PROTOCOL: &[(Proxy, &str)] = &[
    (Nginx, "remove proxy_protocol on; of the stream server"),
    (Caddy, "transport http: remove proxy_protocol"),
    (Haproxy, "remove send-proxy, send-proxy-v2 from the server line"),
    (Traefik, "remove proxyProtocol of the service"),
    (Envoy, "remove the upstream_proxy_protocol transport socket"),
    (Apache, "remove ProxyProtocol"),
];

const ROWS: &[Row] = &[
    (
        "request.http_version",
        &[
            (Nginx, "proxy_http_version 1.1;"),
            (Caddy, "transport http { versions 1.1 }"),
            (Haproxy, "remove http-request set-... 1.0 rules and option httpclose work-arounds"),
            (Apache, "remove SetEnv force-proxy-request-1.0"),
            (Envoy, "remove accept_http_10"),
        ],
    ),
    ("request.upgrade_lost", UPGRADE),
    ("request.connection_lost", UPGRADE),
    ("response.upgrade_lost", UPGRADE),
    ("response.connection_lost", UPGRADE),
    ("request.host_changed", HOST),
    ("request.origin_changed", ORIGIN),
    (
        "request.target_changed",
        &[
            (Nginx, "proxy_pass http://UPSTREAM; without a path, and no rewrite"),
            (Caddy, "handle instead of handle_path; no rewrite, no uri strip_prefix"),
            (Haproxy, "remove http-request set-path, replace-path"),
            (Traefik, "remove stripPrefix, replacePath, addPrefix"),
            (Envoy, "remove prefix_rewrite"),
            (Apache, "ProxyPass with the same path on both sides"),
        ],
    ),
    ("request.", PASS_REQUEST),
    ("response.", PASS_RESPONSE),
    ("idle.cut_despite_pings", LIFETIME),
    ("idle.", IDLE),
    ("upgrade.slow_answer", ANSWER),
    ("upgrade.client_http2", CLIENT_HTTP2),
    ("upgrade.refused", REFUSED),
    ("upgrade.no_answer", BUFFER),
    ("upgrade.", REFUSED),
    ("upstream.tls", TLS),
    ("upstream.http2", HTTP2),
    ("upstream.proxy_protocol", PROXY_PROTOCOL),
    (
        "limit.parallel",
        &[
            (Nginx, "raise limit_conn and worker_connections, or remove limit_req here"),
            (Caddy, "raise max_conns_per_host, unhealthy_request_count"),
            (Haproxy, "raise maxconn of the server, the frontend and global"),
            (Traefik, "remove inFlightReq and rateLimit middlewares"),
            (Envoy, "raise max_connections, max_requests of circuit_breakers"),
            (Apache, "raise MaxRequestWorkers, and max= on ProxyPass"),
        ],
    ),
    ("limit.request_head", REQUEST_HEAD),
    ("limit.response_head", RESPONSE_HEAD),
    (
        "limit.request_body",
        &[
            (Nginx, "client_max_body_size"),
            (Caddy, "request_body { max_size }"),
            (Haproxy, "remove http-request deny if { req.body_size gt ... }"),
            (Traefik, "buffering: maxRequestBodyBytes"),
            (Envoy, "buffer filter: max_request_bytes"),
            (Apache, "LimitRequestBody"),
        ],
    ),
    ("buffering.", BUFFER),
    ("early.", BUFFER),
    ("frames.", BUFFER),
    (
        "plain.connection_upgrade",
        &[(
            Nginx,
            "proxy_set_header Connection $connection_upgrade; with map $http_upgrade \
         $connection_upgrade { default upgrade; '' close; } instead of \"upgrade\"",
        )],
    ),
    (
        "retry.",
        &[
            (Nginx, "proxy_next_upstream off;"),
            (Caddy, "lb_retries 0, lb_try_duration 0"),
            (Haproxy, "retries 0, no retry-on, no option redispatch"),
            (Traefik, "remove the retry middleware"),
            (Envoy, "remove retry_policy of the route"),
            (Apache, "retry=0 on ProxyPass; BalancerMember without failover"),
        ],
    ),
    ("reload.", RELOAD),
    (
        "ending.",
        &[
            (
                Nginx,
                "use proxy_pass of the http module for WebSockets, without a module that edits bodies",
            ),
            (Caddy, "stream_close_delay 5m; no handler that ends streams by itself"),
            (Haproxy, "timeout client-fin 30s; no option nolinger, no option abortonclose"),
            (Traefik, "update: older releases lose ends of WebSockets"),
            (Envoy, "delayed_close_timeout"),
            (Apache, "mod_proxy_wstunnel or upgrade=websocket, without body filters"),
        ],
    ),
];

/// What to change: of the known proxy, or of each where none is known.
pub(super) fn of(slug: &str, known: Option<Proxy>) -> BTreeMap<Proxy, &'static str> {
    let row = ROWS.iter().find(|(prefix, _)| slug.starts_with(prefix));
    let all = row.map(|(_, all)| *all).unwrap_or_default();
    all.iter().filter(|(proxy, _)| known.is_none_or(|known| known == *proxy)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_row_decides() {
        let nginx = |slug| of(slug, Some(Nginx)).remove(&Nginx);
        assert_eq!(nginx("request.http_version"), Some("proxy_http_version 1.1;"));
        assert_eq!(nginx("request.host_changed"), Some("proxy_set_header Host $http_host;"));
        assert_eq!(nginx("idle.cut"), Some("proxy_read_timeout 3600s; proxy_send_timeout 3600s;"));
        assert_eq!(of("idle.cut_despite_pings", Some(Caddy))[&Caddy], LIFETIME[1].1);
        assert_eq!(of("idle.cut", None).len(), Proxy::ALL.len());
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (slug, _)) in ROWS.iter().enumerate() {
            let first = ROWS.iter().position(|(prefix, _)| slug.starts_with(prefix));
            assert_eq!(first, Some(at), "{slug}");
        }
    }
}
