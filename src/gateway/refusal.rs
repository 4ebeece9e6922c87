//! How a connect is turned away: the error frame and the close that follows it.
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::policy::Ending;

/// RFC 6455 section 5.5 leaves 123 bytes for a reason; the gateway stops at 120.
const REASON_LIMIT: usize = 120;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    error: Option<Box<RefusedWith>>,
    pub(super) close_code: u16,
    pub(super) close_reason: String,
    pub(super) delay: Duration,
}

#[derive(Debug, Clone, PartialEq)]
struct RefusedWith {
    code: &'static str,
    message: String,
    retryable: Option<bool>,
    retry_after_ms: Option<u64>,
    details: Option<Value>,
}

impl Refusal {
    /// An error whose message is also the close reason.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            close_code: 1008,
            close_reason: cut(&message),
            delay: Duration::ZERO,
            error: Some(Box::new(RefusedWith {
                code,
                message,
                retryable: None,
                retry_after_ms: None,
                details: None,
            })),
        }
    }

    /// A close without an error frame.
    pub(super) fn close_only(code: u16, reason: &str) -> Self {
        Self { error: None, close_code: code, close_reason: cut(reason), delay: Duration::ZERO }
    }

    pub(super) fn details(mut self, details: Value) -> Self {
        if let Some(error) = &mut self.error {
            error.details = Some(details);
        }
        self
    }

    pub(super) fn retry(mut self, retryable: bool, after_ms: Option<u64>) -> Self {
        if let Some(error) = &mut self.error {
            error.retryable = Some(retryable);
            error.retry_after_ms = after_ms;
        }
        self
    }

    pub(super) fn closing(mut self, code: u16, reason: &str) -> Self {
        self.close_code = code;
        self.close_reason = cut(reason);
        self
    }

    pub(super) fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The response frame, if this refusal has one.
    pub(super) fn frame(&self, id: &str) -> Option<String> {
        let error = self.error.as_ref()?;
        let mut body = Map::new();
        body.insert("code".into(), json!(error.code));
        body.insert("message".into(), json!(error.message));
        if let Some(retryable) = error.retryable {
            body.insert("retryable".into(), json!(retryable));
        }
        if let Some(after) = error.retry_after_ms {
            body.insert("retryAfterMs".into(), json!(after));
        }
        if let Some(details) = &error.details {
            body.insert("details".into(), details.clone());
        }
        Some(json!({ "type": "res", "id": id, "ok": false, "error": body }).to_string())
    }

    pub(super) fn ending(&self) -> Ending {
        Ending::Close { code: self.close_code, reason: self.close_reason.clone() }
    }
}

/// Cuts at the gateway's limit without splitting a character.
pub(super) fn cut(reason: &str) -> String {
    let mut end = reason.len().min(REASON_LIMIT);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_at_120_bytes_on_a_character_boundary() {
        assert_eq!(cut(&"a".repeat(200)).len(), 120);
        assert_eq!(cut(&"ä".repeat(100)).len(), 120);
        assert_eq!(cut(&format!("a{}", "ä".repeat(100))).len(), 119);
    }

    #[test]
    fn error_keys_keep_the_order_of_the_gateway() {
        let refusal = Refusal::new("UNAVAILABLE", "gateway starting; retry shortly")
            .retry(true, Some(500))
            .details(json!({ "reason": "startup-sidecars" }))
            .closing(1013, "gateway starting");
        assert_eq!(
            refusal.frame("1").unwrap(),
            r#"{"type":"res","id":"1","ok":false,"error":{"code":"UNAVAILABLE","message":"gateway starting; retry shortly","retryable":true,"retryAfterMs":500,"details":{"reason":"startup-sidecars"}}}"#
        );
        assert_eq!(
            refusal.ending(),
            Ending::Close { code: 1013, reason: "gateway starting".into() }
        );
    }
}
