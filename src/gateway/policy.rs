//! What the stand-in gateway allows, refuses and gets wrong, as data.
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// The shared secret a client has to present.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    Token(String),
    Password(String),
    None,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(hidden)",
            Self::Password(_) => "Password(hidden)",
            Self::None => "None",
        })
    }
}

/// What happens to an unknown device of a client on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalPairing {
    Silent,
    Required,
}

/// Whether the gateway already takes connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    Ready,
    /// HTTP answers, but every connect is sent away with 1013.
    Starting,
}

/// A device that was approved before the gateway started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedDevice {
    /// Lowercase hex SHA-256 of the raw public key.
    pub id: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
}

/// An event sent right after hello, as a gateway whose health was just refreshed does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    Health,
    Presence,
}

/// When a misbehaving session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After this many frames from the gateway; the challenge is the first.
    Frames(u32),
    /// This long after the 101.
    Elapsed(Duration),
    /// As soon as hello-ok was sent.
    Hello,
}

/// How a session ends when nobody asked it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// FIN without a Close frame.
    Fin,
    /// RST without a Close frame.
    Reset,
    /// FIN in the middle of a frame.
    FinInFrame,
    /// RST in the middle of a frame.
    ResetInFrame,
    /// The socket stays open and nothing more is sent, not even a pong.
    Silence,
    Close {
        code: u16,
        reason: String,
    },
}

/// One way a session goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Misbehaviour {
    #[default]
    None,
    /// The upgrade is answered with this status and text body.
    RefuseUpgrade {
        status: u16,
        body: String,
    },
    /// The upgrade is answered with HTTP 200 and a page.
    HtmlPage,
    /// The upgrade is read and never answered.
    NoAnswer,
    /// The 101 carries a Sec-WebSocket-Accept that belongs to another key.
    BadAccept,
    /// The 101 is not followed by a challenge.
    NoChallenge,
    End {
        when: When,
        how: Ending,
    },
}

/// Everything the gateway decides by.
#[derive(Debug, Clone)]
pub struct Policy {
    pub auth: Auth,
    pub allowed_origins: Vec<String>,
    /// Addresses whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    pub paired: Vec<PairedDevice>,
    pub local_pairing: LocalPairing,
    pub startup: Startup,
    /// Unauthenticated sockets allowed per client address.
    pub max_preauth: u32,
    pub handshake_timeout: Duration,
    pub ping_interval: Duration,
    pub tick_interval: Duration,
    /// How long a wrong secret waits for its answer.
    pub mismatch_delay: Duration,
    pub announcements: Vec<Announcement>,
    /// Applies to every session that has none of its own.
    pub misbehaviour: Misbehaviour,
}

impl Policy {
    /// The settings of a fresh gateway with this auth mode.
    pub fn new(auth: Auth) -> Self {
        Self {
            auth,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            paired: Vec::new(),
            local_pairing: LocalPairing::Silent,
            startup: Startup::Ready,
            max_preauth: 32,
            handshake_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(25),
            tick_interval: Duration::from_secs(30),
            mismatch_delay: Duration::from_millis(250),
            announcements: Vec::new(),
            misbehaviour: Misbehaviour::None,
        }
    }

    /// A gateway that wants this token.
    pub fn token(token: impl Into<String>) -> Self {
        Self::new(Auth::Token(token.into()))
    }
}
