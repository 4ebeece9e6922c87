//! What a tap has recorded, read from its store while it runs.

use std::thread;
use std::time::{Duration, Instant};

use wstap::session::{Confidence, Direction, FrameFact, Kind, Layer, Record, State, Verdict, Who};
use wstap::store::{Filter, Reader};

use super::tap::Wstap;
use super::wait_for;

const RECORDED: Duration = Duration::from_secs(30);

/// Everything of one session, its frames one by one.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) record: Record,
    pub(crate) frames: Vec<FrameFact>,
}

/// Waits until the tap holds so many sessions that are over, and gives all of them, oldest first.
pub(crate) fn ended(tap: &Wstap, count: usize) -> Vec<Recorded> {
    let deadline = Instant::now() + RECORDED;
    loop {
        let all = recorded(tap);
        let over = all.iter().all(|session| session.record.state == State::Ended);
        if over && all.len() >= count {
            return all;
        }
        assert!(Instant::now() < deadline, "not {count} sessions, all ended: {all:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The one session of this tap.
#[track_caller]
pub(crate) fn only(tap: &Wstap) -> Recorded {
    let mut all = ended(tap, 1);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// All sessions so far, also those under way.
pub(crate) fn recorded(tap: &Wstap) -> Vec<Recorded> {
    let reader = Reader::open(&tap.store()).expect("the store can be read");
    let listed = reader.list(&Filter::default()).expect("sessions can be listed");
    listed
        .iter()
        .map(|listed| Recorded {
            record: reader.record(listed.id).expect("a listed session can be read"),
            frames: reader
                .frames(listed.id)
                .expect("so can its frames")
                .collect::<Result<_, _>>()
                .expect("all of them"),
        })
        .collect()
}

/// The verdict that the tap itself wrote for a session that is over.
pub(crate) fn verdict(tap: &Wstap, session: &Recorded) -> Verdict {
    let reader = Reader::open(&tap.store()).expect("the store can be read");
    wait_for("a verdict in the store", RECORDED, || {
        reader.judged(session.record.id).expect("a listed session can be read").verdict
    })
}

/// What is said of a session, where the wire decides: never a mere guess, never without evidence.
#[track_caller]
pub(crate) fn assert_says(tap: &Wstap, session: &Recorded, says: (Layer, &str, Who)) -> Verdict {
    let verdict = verdict(tap, session);
    assert_eq!((verdict.layer, &*verdict.cause, verdict.who), says, "{verdict:#?}");
    assert!(verdict.confidence >= Confidence::Likely, "{verdict:#?}");
    assert!(!verdict.evidence.is_empty(), "{verdict:#?}");
    verdict
}

impl Recorded {
    pub(crate) fn status(&self) -> Option<u16> {
        self.record.response.as_ref().and_then(|response| response.status)
    }

    /// The local port of the upstream leg.
    pub(crate) fn upstream_port(&self) -> u16 {
        let dial = self.record.upstream.dial.as_ref().expect("the upstream was dialled");
        let local = dial.local.as_deref().expect("and reached");
        local.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The endings as text: leg, word, and the code of a Close frame.
    pub(crate) fn endings(&self) -> Vec<String> {
        use wstap::session::EndingKind;
        let text = |ending: &wstap::session::Ending| match &ending.kind {
            EndingKind::CloseFrame { code: Some(code), .. } => {
                format!("{} close_frame {code}", ending.leg.name())
            }
            kind => format!("{} {}", ending.leg.name(), kind.name()),
        };
        self.record.endings.iter().map(text).collect()
    }

    /// A session of WebSocket frames in which nothing is amiss whatever became of it: clients
    /// mask, servers do not, and totals are the sums of the frames.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let record = &self.record;
        assert_eq!(record.kind, Kind::Websocket, "{record:#?}");
        assert_eq!(self.status(), Some(101), "{record:#?}");
        let accept = record.response.as_ref().and_then(|response| response.accept_ok);
        assert_eq!(accept, Some(true), "{record:#?}");
        assert_eq!(record.violations, [], "{record:#?}");
        assert_eq!(record.gap, None, "{record:#?}");
        for direction in Direction::BOTH {
            let totals = record.frames.of(direction);
            let frames = || self.frames.iter().filter(|frame| frame.direction == direction);
            let masked = direction == Direction::ClientToServer;
            assert!(
                frames().all(|frame| frame.masked == masked),
                "{frames:?}",
                frames = self.frames
            );
            assert!(frames().map(|frame| frame.number).eq(0..totals.frames), "{record:#?}");
            assert_eq!(frames().map(|frame| frame.len).sum::<u64>(), totals.payload_bytes);
            assert_eq!(totals.not_websocket_from, None, "{record:#?}");
        }
    }
}
