//! The words every room shares: what a session is, its two legs and two directions, what was
//! seen of it and when. Plain data: no sockets, no files, no clock.
//!
//! A session is written as a sequence of [`Event`]s, each with its [`Offset`] from the start.
//! [`Record`] is those events folded into the one object that the JSON shows.

mod close;
mod dial;
mod ending;
mod event;
mod frame;
mod head;
mod id;
mod latency;
mod leg;
mod openclaw;
mod record;
mod tcp;
mod time;
mod tls;
mod tls_records;
mod traffic;
mod verdict;

pub use close::{Close, CloseFrame, Reported};
pub use dial::{Attempt, Dial, DialFailure, DialStep, Via};
pub use ending::{Ending, EndingKind};
pub use event::{
    Captured, Change, Control, Envelope, Event, Finish, Gap, Kind, Note, OpaqueFacts, OwnAnswer,
    ProxyHeader, Started, Timed, Unstored, Violated,
};
pub use frame::{FrameFact, FrameRun, FrameShape};
pub use head::{Head, Redaction};
pub use id::{ParseIdError, SessionId};
pub use latency::Latencies;
pub use leg::{Direction, Leg};
pub use openclaw::{ConnectFacts, Credential, HelloFacts, RefusalFacts};
pub use record::{
    At, Cadence, Calls, ClientSide, FrameTotals, Idle, LastCall, MethodCalls, OpenClaw,
    PendingCall, Profile, Record, RefusedCalls, RequestFacts, ResponseFacts, State, UpstreamSide,
};
pub use tcp::TcpSample;
pub use time::{Offset, Wall};
pub use tls::{Certificate, TlsEnd, TlsFacts, TlsRecords};
pub use tls_records::RecordCounter;
pub use traffic::{
    Compression, CutFrame, OpcodeCount, Silence, SizeHistogram, Traffic, ViolationCount,
};
pub use verdict::{Confidence, Culprit, Evidence, Layer, Step, Verdict, Warning, Who};
