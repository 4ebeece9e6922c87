//! The first handshake: whether sessions can be opened at all, and if not, whose doing that is.

use super::CouldNotRun;
use super::deviation::Deviation;
use super::handshake;
use super::hub::Alien;
use super::peer::Gone;
use super::report::FrontReport;
use super::rig::{Broken, Heads, How, Rig};

/// What came of it.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) deviations: Vec<Deviation>,
    /// Whether trials that need a session make sense.
    pub(super) opened: bool,
    /// Heads in which the proxy may have left its name.
    pub(super) seen: Vec<Heads>,
    /// The body of its own answer.
    pub(super) page: String,
}

pub(super) async fn open(rig: &Rig, report: &FrontReport) -> Result<Opening, CouldNotRun> {
    let broken = match rig.open(handshake::ask()).await {
        Ok(opened) => {
            let deviations = handshake::compared(&opened.heads);
            return Ok(Opening {
                deviations,
                opened: true,
                seen: vec![opened.heads],
                page: String::new(),
            });
        }
        Err(broken) => broken,
    };
    let plain = rig.exchange("GET", b"").await;
    let plain_heads = match plain {
        Ok(exchanged) => exchanged.heads,
        Err(broken) => broken.heads,
    };
    // Even a connection without a request shows that the proxy knows the way.
    let passes_plain =
        plain_heads.arrived.is_some() || (broken.how == How::Silent && rig.hub.connections() > 0);
    let mut deviations = handshake::compared(&broken.heads);
    deviations.extend(rig.hub.alien().map(|alien| alien.deviation(&broken)));
    if deviations.is_empty() || broken.heads.arrived.is_some() {
        deviations.extend(why(&broken, passes_plain, report)?);
    }
    let Broken { heads, body: page, .. } = *broken;
    Ok(Opening { deviations, opened: false, seen: vec![heads, plain_heads], page })
}

/// What is to be said of a handshake that failed.
fn why(
    broken: &Broken,
    passes_plain: bool,
    report: &FrontReport,
) -> Result<Option<Deviation>, CouldNotRun> {
    let nothing_arrived = || CouldNotRun::NothingArrived {
        through: report.through.clone(),
        listen: report.listen.clone(),
        got: broken.words(),
    };
    if let Some(answered) = &broken.heads.answered {
        if !answered.start_line().contains(" 101") {
            // The request was damaged already; that is said by its comparison.
            return Ok(None);
        }
        let says = "the upstream takes the upgrade, and the client does not learn of it";
        let deviation = Deviation::fault("upgrade.answer_lost", says);
        return Ok(Some(deviation.between(answered.start_line(), broken.words())));
    }
    let sent = "an upgrade";
    match &broken.how {
        How::Dial(detail) => Err(CouldNotRun::Unreachable {
            through: report.through.clone(),
            detail: detail.clone(),
        }),
        How::Answered(101) => Err(nothing_arrived()),
        How::Answered(502..=504) if !passes_plain && !limits_itself(broken) => {
            Err(nothing_arrived())
        }
        How::Answered(status) => {
            let says = format!(
                "the proxy answers upgrades itself, with {status}, and passes nothing on to {}",
                report.listen
            );
            Ok(Some(Deviation::fault("upgrade.refused", says).between(sent, broken.words())))
        }
        How::NotHttp(bytes) if is_http2(bytes) => {
            let says = "the proxy speaks only HTTP/2 on this port, and WebSocket clients HTTP/1.1";
            let deviation = Deviation::fault("upgrade.client_http2", says);
            Ok(Some(deviation.between(sent, "an HTTP/2 SETTINGS frame")))
        }
        How::NotHttp(bytes) if matches!(bytes.first(), Some(0x15)) => {
            Err(CouldNotRun::SpeaksTls { through: report.through.clone() })
        }
        How::NotHttp(_) | How::Gone(Gone::Fin | Gone::Reset) | How::Silent if passes_plain => {
            let says = "plain requests reach the upstream, upgrades do not";
            Ok(Some(Deviation::fault("upgrade.no_answer", says).between(sent, broken.words())))
        }
        How::NotHttp(_) | How::Gone(Gone::Fin | Gone::Reset) | How::Silent => {
            Err(nothing_arrived())
        }
    }
}

/// nginx answers 503 for its own limits, and 502 where an upstream does not answer.
fn limits_itself(broken: &Broken) -> bool {
    let server = broken.heads.received.as_ref().and_then(|head| head.header_joined("server"));
    broken.how == How::Answered(503)
        && server.is_some_and(|server| server.to_ascii_lowercase().contains("nginx"))
}

/// RFC 9113 §4.1: a frame of type 4 on stream 0 comes first.
fn is_http2(bytes: &[u8]) -> bool {
    matches!(bytes, [0, _, _, 4, _, 0, 0, 0, 0, ..])
}

impl Alien {
    fn deviation(self, broken: &Broken) -> Deviation {
        let (slug, says, arrived) = match self {
            Self::Tls => (
                "upstream.tls",
                "the proxy speaks TLS to an upstream without TLS",
                "a TLS ClientHello",
            ),
            Self::Http2 => (
                "upstream.http2",
                "the proxy speaks HTTP/2 to an upstream of HTTP/1.1, where upgrades live",
                "an HTTP/2 preface",
            ),
            Self::ProxyProtocol => (
                "upstream.proxy_protocol",
                "the proxy sends a PROXY protocol header that the upstream does not expect",
                "a PROXY protocol header",
            ),
        };
        let sent = format!("an upgrade, answered with {}", broken.words());
        Deviation::fault(slug, says).between(sent, arrived)
    }
}
