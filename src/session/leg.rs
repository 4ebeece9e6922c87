//! The two axes that everything else is named by: which connection, and which way bytes go.

use serde::{Deserialize, Serialize};

/// One of the two TCP (or Unix) connections of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Leg {
    /// Between the client and wstap; `client` in the JSON.
    #[serde(rename = "client")]
    Downstream,
    /// Between wstap and what it dials; `upstream` in the JSON.
    #[serde(rename = "upstream")]
    Upstream,
}

impl Leg {
    /// `client` or `upstream`, as in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Downstream => "client",
            Self::Upstream => "upstream",
        }
    }

    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }

    /// The direction of the bytes that are read from this leg.
    pub const fn reads(self) -> Direction {
        match self {
            Self::Downstream => Direction::ClientToServer,
            Self::Upstream => Direction::ServerToClient,
        }
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// `c2s` in the JSON.
    #[serde(rename = "c2s")]
    ClientToServer,
    /// `s2c` in the JSON.
    #[serde(rename = "s2c")]
    ServerToClient,
}

impl Direction {
    pub const BOTH: [Self; 2] = [Self::ClientToServer, Self::ServerToClient];

    /// `c2s` or `s2c`, as in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientToServer => "c2s",
            Self::ServerToClient => "s2c",
        }
    }

    /// The leg that bytes of this direction are read from.
    pub const fn source(self) -> Leg {
        match self {
            Self::ClientToServer => Leg::Downstream,
            Self::ServerToClient => Leg::Upstream,
        }
    }

    /// The leg that bytes of this direction are written to.
    pub const fn sink(self) -> Leg {
        self.source().other()
    }

    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::ClientToServer => Self::ServerToClient,
            Self::ServerToClient => Self::ClientToServer,
        }
    }

    /// 0 for client to server, 1 for server to client: for arrays of two.
    pub const fn index(self) -> usize {
        match self {
            Self::ClientToServer => 0,
            Self::ServerToClient => 1,
        }
    }
}
