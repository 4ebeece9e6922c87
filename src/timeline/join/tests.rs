//! Which lines belong to which session, and which to none.

use super::*;

const GATEWAY: &str = "127.0.0.1:18789";
const CONN: &str = "2cbd4042-e863-4978-9302-1adccb6f7c12";

/// A session from one second to another, with our port towards the gateway.
fn span(number: u64, seconds: [i64; 2], port: u16) -> Span {
    Span {
        id: SessionId::from_bits(number),
        from: Wall(seconds[0] * 1_000_000),
        until: Wall(seconds[1] * 1_000_000),
        local: Span::addr(&format!("127.0.0.1:{port}")),
        peer: Span::addr(GATEWAY),
        conn: None,
    }
}

fn line(at_ms: i64, port: Option<u16>, conn: Option<&str>) -> LogLine {
    let mut line = LogLine::parse("{}", str::to_owned);
    line.at = Some(Wall(at_ms * 1000));
    line.conn = conn.map(Conn::new);
    line.peer = port.and_then(|port| {
        let remote = Span::addr(&format!("127.0.0.1:{port}"))?;
        Some(Endpoints { remote, local: Span::addr(GATEWAY) })
    });
    line
}

fn links(spans: &[Span], lines: &[LogLine]) -> Vec<(usize, usize, By)> {
    join(spans, lines).links.iter().map(|link| (link.line, link.span, link.by)).collect()
}

#[test]
fn our_port_joins_while_the_session_lasts_and_shortly_after() {
    let spans = [span(1, [10, 20], 5000)];
    let at = |ms| links(&spans, &[line(ms, Some(5000), None)]).len();
    assert_eq!([9_990, 9_999, 10_000, 20_000, 21_900, 22_100].map(at), [0, 1, 1, 1, 1, 0]);
    assert_eq!(links(&spans, &[line(15_000, Some(5001), None)]), []);
}

#[test]
fn a_port_that_is_used_again_belongs_to_who_has_it_then() {
    let spans = [span(1, [10, 20], 5000), span(2, [21, 30], 5000)];
    let lines = [20_500, 21_000, 29_000].map(|ms| line(ms, Some(5000), None));
    assert_eq!(links(&spans, &lines), [(0, 0, By::Port), (1, 1, By::Port), (2, 1, By::Port)]);
    let twins = [span(1, [10, 20], 5000), span(2, [10, 20], 5000)];
    assert_eq!(links(&twins, &[line(15_000, Some(5000), None)]), []);
}

#[test]
fn the_other_end_must_be_the_one_we_dialled() {
    let mut other = span(1, [10, 20], 5000);
    other.peer = Span::addr("127.0.0.1:18790");
    assert_eq!(links(&[other], &[line(15_000, Some(5000), None)]), []);
}

#[test]
fn behind_something_else_no_port_joins() {
    let mut behind = span(1, [10, 20], 5000);
    behind.local = None;
    assert_eq!(links(&[behind], &[line(15_000, Some(5000), None)]), []);
}

#[test]
fn the_name_of_the_connection_joins_at_any_time_in_full_and_shortened() {
    let mut named = span(1, [10, 20], 5000);
    named.conn = Some(Conn::new(CONN));
    let lines = [
        line(99_000, None, Some(CONN)),
        line(15_000, None, Some("2cbd4042…7c12")),
        line(15_000, None, Some("2cbd4042…7c13")),
    ];
    assert_eq!(links(&[named], &lines), [(0, 0, By::Conn), (1, 0, By::Conn)]);
}

#[test]
fn a_line_with_the_port_lends_its_name_to_the_others() {
    let spans = [span(1, [10, 20], 5000)];
    let lines = [line(11_000, None, Some(CONN)), line(15_000, Some(5000), Some(CONN))];
    assert_eq!(links(&spans, &lines), [(0, 0, By::Conn), (1, 0, By::Port)]);
}

#[test]
fn a_session_that_is_called_otherwise_is_another_one() {
    let mut named = span(1, [10, 20], 5000);
    named.conn = Some(Conn::new("99999999-e863-4978-9302-1adccb6f7c12"));
    assert_eq!(links(&[named], &[line(15_000, Some(5000), Some(CONN))]), []);
}

#[test]
fn a_shortened_name_that_two_share_names_neither() {
    let mut spans = [span(1, [10, 20], 5000), span(2, [10, 20], 5001)];
    spans[0].conn = Some(Conn::new(CONN));
    spans[1].conn = Some(Conn::new("2cbd4042-0000-4978-9302-1adccb6f7c12"));
    let lines = [line(15_000, None, Some("2cbd4042…7c12")), line(15_000, None, Some(CONN))];
    assert_eq!(links(&spans, &lines), [(1, 0, By::Conn)]);
}

#[test]
fn the_shares_count_lines_that_name_a_connection() {
    let spans = [span(1, [10, 20], 5000), span(2, [10, 20], 5001)];
    let lines = [
        line(15_000, Some(5000), None),
        line(15_001, Some(5000), None),
        line(15_000, Some(6000), None),
        line(15_000, None, None),
    ];
    let joined = join(&spans, &lines);
    assert_eq!((joined.links.len(), joined.naming, joined.sessions), (2, 3, 1));
}
