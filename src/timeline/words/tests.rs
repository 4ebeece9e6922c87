//! What lines say, and whether the wire says the same.

use super::*;

fn lines(texts: &[&str]) -> Vec<(By, LogLine)> {
    texts.iter().map(|text| (By::Port, LogLine::parse(text, str::to_owned))).collect()
}

const UNAUTHORIZED: &str = r#"{"message":"unauthorized conn=2cbd4042-e863-4978-9302-1adccb6f7c12 peer=127.0.0.1:1->127.0.0.1:2 host=h origin=n/a ua=n/a reason=token_mismatch guidance=use it"}"#;
const CLOSED: &str = r#"{"1":{"cause":"unauthorized","authReason":"rate_limited"},"message":"closed before connect conn=2cbd4042-e863-4978-9302-1adccb6f7c12 ua=n/a code=1008 reason=x phase=y"}"#;
const HELLO: &str = r#"{"message":"→ hello-ok methods=9 conn=2cbd4042…7c12"}"#;

#[test]
fn the_line_of_the_end_decides() {
    let words = words(lines(&[UNAUTHORIZED, CLOSED, HELLO]), "rate_limited");
    let said = words.said.expect("a cause");
    assert_eq!((said.line, said.words.as_str()), (1, "unauthorized (rate_limited)"));
    assert_eq!(said.agreement, Agreement::Agree);
}

#[test]
fn another_cause_on_the_wire_is_a_disagreement() {
    let said = words(lines(&[UNAUTHORIZED]), "upstream_reset").said.expect("a cause");
    assert_eq!((said.agreement, said.causes), (Agreement::Disagree, vec!["token_mismatch"]));
}

#[test]
fn that_a_client_was_taken_does_not_speak_of_its_end() {
    let agreement = |wire| words(lines(&[HELLO]), wire).said.map(|said| said.agreement);
    assert_eq!(agreement("connected"), Some(Agreement::Agree));
    assert_eq!(agreement("eof_without_close_frame"), Some(Agreement::NotComparable));
}

#[test]
fn a_cause_that_is_new_is_shown_and_not_compared() {
    let new = r#"{"1":{"cause":"moon-phase"},"message":"closed before connect conn=x"}"#;
    let said = words(lines(&[new]), "token_mismatch").said.expect("a cause");
    assert_eq!((said.words.as_str(), said.agreement), ("moon-phase", Agreement::NotComparable));
    assert_eq!(words(Vec::new(), "connected"), GatewayWords::default());
}
