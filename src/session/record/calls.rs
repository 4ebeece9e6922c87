//! Calls of an OpenClaw session: how many, which were refused, and which no answer came to.

use serde::{Deserialize, Serialize};

use crate::session::{Direction, Envelope, Latencies, Offset};

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
    /// The same by method, in the order in which the methods were first called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_method: Vec<MethodCalls>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastCall>,
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

/// The calls of one method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodCalls {
    pub method: String,
    pub requests: u64,
    pub ok: u64,
    /// Refusals by `code` and `details.code`, as `FORBIDDEN/MISSING_SCOPE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<(String, u64)>,
    /// Requests whose answers could not be told from others, for too many waited at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untracked: u64,
    /// Of every answer that could be told, refusals too.
    #[serde(default, skip_serializing_if = "Latencies::is_empty")]
    pub latencies: Latencies,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl MethodCalls {
    pub fn refused(&self) -> u64 {
        self.errors.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    pub fn unanswered(&self) -> u64 {
        let known = self.ok.saturating_add(self.refused()).saturating_add(self.untracked);
        self.requests.saturating_sub(known)
    }

    pub fn refuse(&mut self, code: String, times: u64) {
        match self.errors.iter_mut().find(|(have, _)| *have == code) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => self.errors.push((code, times)),
        }
    }
}

/// The newest call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCall {
    pub method: String,
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

    /// How many methods are told apart; a client may invent any number of them.
    pub const METHODS: usize = 64;

    /// The name under which the calls of all further methods are counted.
    pub const OTHER: &str = "(other)";

    /// How the methods begin that the checks of wstap call to be refused: nobody serves them.
    pub const OWN: &str = "wstap.";

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
        let id = envelope.id.clone().filter(|_| self.pending.len() < Self::PENDING);
        if let Some(method) = &envelope.method {
            self.last = Some(LastCall { method: method.clone(), at });
            let tracked = id.is_some();
            if let Some(calls) = self.of_method(method) {
                calls.requests += 1;
                calls.untracked += u64::from(!tracked);
            }
        }
        if let Some(id) = id {
            self.pending.push(PendingCall { id, method: envelope.method.clone(), at });
        }
    }

    fn of_method(&mut self, method: &str) -> Option<&mut MethodCalls> {
        let full = self.by_method.len() >= Self::METHODS;
        let place = |name: &str| self.by_method.iter().position(|calls| calls.method == name);
        let place = match place(method) {
            None if full => place(Self::OTHER),
            found => found,
        };
        let place = place.unwrap_or_else(|| {
            let name = if full { Self::OTHER } else { method };
            self.by_method.push(MethodCalls { method: name.to_owned(), ..Default::default() });
            self.by_method.len() - 1
        });
        self.by_method.get_mut(place)
    }

    fn answer(&mut self, at: Offset, envelope: &Envelope, answered: bool) {
        let asked = self.pending.iter().position(|call| Some(&call.id) == envelope.id.as_ref());
        let method = match asked.map(|place| self.pending.remove(place)) {
            Some(call) => {
                self.answered += 1;
                self.told(at, &call, envelope);
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
        if envelope.ok == Some(false) {
            self.refused(at, envelope, method);
        }
    }

    /// Counts an answer with its request's method.
    fn told(&mut self, at: Offset, call: &PendingCall, envelope: &Envelope) {
        let Some(calls) = call.method.as_deref().and_then(|method| self.of_method(method)) else {
            return;
        };
        calls.latencies.add(at.since(call.at), 1);
        if envelope.ok == Some(false) {
            let code = envelope.code.as_deref().unwrap_or("(no code)");
            let detail = envelope.detail_code.as_deref().filter(|detail| *detail != code);
            calls.refuse(detail.map_or_else(|| code.to_owned(), |d| format!("{code}/{d}")), 1);
        } else {
            calls.ok += 1;
        }
    }

    fn refused(&mut self, at: Offset, envelope: &Envelope, method: Option<String>) {
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
        let [health] = calls.by_method.as_slice() else { panic!("{:?}", calls.by_method) };
        assert_eq!((health.requests, health.ok, health.unanswered()), (3, 0, 1));
        assert_eq!(health.errors, [("FORBIDDEN".to_owned(), 2)]);
        assert_eq!(health.latencies.count(), 2);
        assert_eq!(calls.last.map(|last| last.at), Some(Offset(1)));
    }

    #[test]
    fn methods_without_number_are_counted_together() {
        let mut calls = Calls::default();
        for n in 0..300 {
            let request = Envelope {
                direction: Some(Direction::ClientToServer),
                kind: Some("req".into()),
                id: Some(n.to_string()),
                method: Some(format!("m{n}")),
                ..Envelope::default()
            };
            calls.take(Offset(n), &request, true);
        }
        assert_eq!(calls.by_method.len(), Calls::METHODS + 1);
        let other = calls.by_method.last().unwrap();
        assert_eq!((other.method.as_str(), other.requests), (Calls::OTHER, 236));
        // Answers to the last 44 cannot be told from others.
        assert_eq!((other.untracked, other.unanswered()), (44, 192));
    }
}
