//! Calls of an OpenClaw session: how many, which were refused, and which no answer came to.

use serde::{Deserialize, Serialize};

use crate::session::{Direction, Envelope, Offset};

/// Requests other than `connect`, and their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    pub requests: u64,
    pub answered: u64,
    /// Refused calls; those with equal codes are counted together.
    pub refused: Vec<RefusedCalls>,
    /// Answers to requests that were not seen.
    #[serde(default)]
    pub orphans: u64,
    /// Requests without an answer so far, oldest first; at most [`Calls::PENDING`] of them.
    pub pending: Vec<PendingCall>,
    /// When the gateway announced its shutdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_at: Option<Offset>,
}

/// Calls refused with the same codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCalls {
    pub code: Option<String>,
    pub detail_code: Option<String>,
    pub count: u64,
    /// Method and time of the first of them.
    pub method: Option<String>,
    pub at: Offset,
}

/// A call that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCall {
    pub id: String,
    pub method: Option<String>,
    pub at: Offset,
}

impl Calls {
    /// How many waiting requests are kept; later ones are only counted.
    pub const PENDING: usize = 256;

    /// Takes in the outside of one frame; `answered` when the answer to `connect` came before it.
    pub(super) fn take(&mut self, at: Offset, envelope: &Envelope, answered: bool) {
        match (envelope.kind.as_deref(), envelope.direction) {
            (Some("req"), Some(Direction::ClientToServer)) => self.request(at, envelope),
            (Some("res"), Some(Direction::ServerToClient)) => self.answer(at, envelope, answered),
            (Some("event"), Some(Direction::ServerToClient))
                if envelope.event.as_deref() == Some("shutdown") =>
            {
                self.shutdown_at.get_or_insert(at);
            }
            (_, Some(_) | None) => {}
        }
    }

    fn request(&mut self, at: Offset, envelope: &Envelope) {
        if envelope.method.as_deref() == Some("connect") {
            return;
        }
        self.requests += 1;
        if let Some(id) = envelope.id.clone().filter(|_| self.pending.len() < Self::PENDING) {
            self.pending.push(PendingCall { id, method: envelope.method.clone(), at });
        }
    }

    fn answer(&mut self, at: Offset, envelope: &Envelope, answered: bool) {
        let asked = self.pending.iter().position(|call| Some(&call.id) == envelope.id.as_ref());
        let method = match asked.map(|place| self.pending.remove(place)) {
            Some(call) => {
                self.answered += 1;
                call.method
            }
            // The answer to `connect` itself.
            None if !answered => return,
            None if self.requests > self.answered + self.pending.len() as u64 => {
                self.answered += 1;
                None
            }
            None => {
                self.orphans += 1;
                None
            }
        };
        if envelope.ok != Some(false) {
            return;
        }
        let same = self
            .refused
            .iter_mut()
            .find(|r| r.code == envelope.code && r.detail_code == envelope.detail_code);
        match same {
            Some(refused) => refused.count += 1,
            None => self.refused.push(RefusedCalls {
                code: envelope.code.clone(),
                detail_code: envelope.detail_code.clone(),
                count: 1,
                method,
                at,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_requests() {
        let mut calls = Calls::default();
        let request = |id: &str| Envelope {
            direction: Some(Direction::ClientToServer),
            kind: Some("req".into()),
            id: Some(id.into()),
            method: Some("health".into()),
            ..Envelope::default()
        };
        let refusal = |id: &str| Envelope {
            direction: Some(Direction::ServerToClient),
            kind: Some("res".into()),
            id: Some(id.into()),
            ok: Some(false),
            code: Some("FORBIDDEN".into()),
            ..Envelope::default()
        };
        for id in ["a", "b", "c"] {
            calls.take(Offset(1), &request(id), true);
        }
        calls.take(Offset(2), &refusal("connect"), false);
        calls.take(Offset(2), &refusal("c"), true);
        calls.take(Offset(3), &refusal("a"), true);
        assert_eq!((calls.requests, calls.answered), (3, 2));
        assert_eq!(calls.pending.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!((calls.refused.len(), calls.refused[0].count, calls.orphans), (1, 2, 0));
        calls.take(Offset(4), &refusal("unseen"), true);
        assert_eq!((calls.answered, calls.orphans), (2, 1));
    }
}
