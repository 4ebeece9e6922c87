//! What a verdict is made of. The JSON names are an interface; slugs are never renamed.

use serde::{Deserialize, Serialize};

use super::{Leg, Offset};

/// What is to be said of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub layer: Layer,
    /// A stable slug.
    pub cause: String,
    pub who: Who,
    /// The leg on which it was seen.
    pub leg: Option<Leg>,
    pub confidence: Confidence,
    /// Why this sure, and not surer; what else it may be.
    pub reasons: Vec<String>,
    /// One sentence.
    pub summary: String,
    pub evidence: Vec<Evidence>,
    /// What to do, in order.
    pub next: Vec<Step>,
    /// What did not fail, but will, or changes what a verdict is worth.
    pub warnings: Vec<Warning>,
    /// Known limits that fit how long it was silent or how old it was, best first.
    pub culprits: Vec<Culprit>,
    /// Whether this is a failure; for plain HTTP, which has no layer, the only word on it.
    pub failed: bool,
    pub rules_version: u32,
}

impl Verdict {
    /// Whether both say the same, however they came to it.
    pub fn says_as(&self, other: &Self) -> bool {
        let word = |v: &Self| (v.layer, v.who, v.leg, v.confidence, v.failed);
        self.cause == other.cause && word(self) == word(other)
    }
}

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Ok,
    Transport,
    Auth,
    Pairing,
    Origin,
    Protocol,
    /// Plain HTTP, not judged.
    None,
    /// Nothing failed that the wire can show.
    Other,
    /// The wire does not tell.
    Unknown,
}

impl Layer {
    /// Every one there is.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Transport,
        Self::Auth,
        Self::Pairing,
        Self::Origin,
        Self::Protocol,
        Self::None,
        Self::Other,
        Self::Unknown,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Transport => "transport",
            Self::Auth => "auth",
            Self::Pairing => "pairing",
            Self::Origin => "origin",
            Self::Protocol => "protocol",
            Self::None => "none",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a session of this layer failed.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Transport | Self::Auth | Self::Pairing | Self::Origin | Self::Protocol => true,
            Self::Ok | Self::None | Self::Other | Self::Unknown => false,
        }
    }
}

/// Whose doing it was, or whose to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Client,
    Wstap,
    FrontProxy,
    Gateway,
    Network,
    Unknown,
}

impl Who {
    /// Every one there is.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Wstap, Self::FrontProxy, Self::Gateway, Self::Network, Self::Unknown];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Wstap => "wstap",
            Self::FrontProxy => "front_proxy",
            Self::Gateway => "gateway",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }
}

/// How sure; the order is from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    Possible,
    Likely,
    Certain,
}

impl Confidence {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// One fact that the verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The fact, in words.
    pub what: String,
    pub at: Option<Offset>,
    /// Its place in the session's JSON, as `response.status` or `control[3]`.
    pub refers: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A key and value of the gateway's configuration, or a directive of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// Something that did not decide the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub slug: String,
    pub text: String,
    pub refers: String,
}

/// A known limit that fits what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    pub name: String,
    /// What to set, as that program writes it.
    pub directive: String,
    /// The clock that was compared: `idle`, `idle_server`, `age`, ….
    pub clock: String,
    pub limit_ms: Offset,
    pub measured_ms: Offset,
    pub confidence: Confidence,
    /// What speaks for it beyond the time.
    pub fits: Vec<String>,
    pub source: String,
}
