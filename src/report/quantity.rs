//! Numbers with their units.

use crate::session::Offset;

/// `1,234,567`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 frame`, `2 frames`.
pub(super) fn count(n: u64, one: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(n))
}

/// `1,234 B`.
pub(super) fn bytes(n: u64) -> String {
    format!("{} B", number(n))
}

/// Microseconds as `0.12 ms`.
pub(super) fn micros(us: u32) -> String {
    format!("{:.2} ms", f64::from(us) / 1000.0)
}

/// A short time: `0.012 ms` where `0.0 ms` would say nothing.
pub(super) fn short(time: Offset) -> String {
    match time.micros() {
        0..1000 => format!("{:.3} ms", time.millis()),
        1000.. => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1000, 12_345_678].map(number).each_ref().map(String::as_str)
        );
        assert_eq!((count(1, "frame"), count(0, "frame")), ("1 frame".into(), "0 frames".into()));
        assert_eq!((short(Offset(12)), short(Offset(1200))), ("0.012 ms".into(), "1.2 ms".into()));
        assert_eq!((bytes(1234), micros(120)), ("1,234 B".into(), "0.12 ms".into()));
    }
}
