//! A file that cannot be written: nothing stops, everything lost is counted, and it is found in
//! the file when that can be written again.

use super::*;
use crate::session::{
    Direction, Event, Finish, FrameRun, FrameShape, Gap, Kind, Offset, SessionId, Started, State,
    Timed, Wall,
};
use crate::store::{GroupEncoder, GroupHead, Limits, Reader, Recorder};

fn task(path: &Path) -> (Recorder, Task) {
    let intake = Arc::new(Intake::new(Limits::default()));
    let connection = schema::open(path).unwrap();
    let tap = tap::register(&connection, &TapInfo::default()).unwrap();
    let recorder = Recorder::of(Arc::clone(&intake));
    (
        recorder,
        Task::new(
            (connection, Checkpoints::start(path).unwrap()),
            tap,
            intake,
            Retention::default(),
        ),
    )
}

fn timed(at: u64, event: Event) -> Timed {
    Timed { at: Offset(at), event }
}

fn started() -> Timed {
    timed(0, Event::Started(Started { kind: Kind::Websocket, ..Started::default() }))
}

fn limit_pages(task: &Task, pages: i64) {
    let sql = format!("PRAGMA max_page_count = {pages}");
    task.connection.query_row(&sql, [], |_| Ok(())).unwrap();
}

#[test]
fn a_full_disk_costs_what_is_counted_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (recorder, mut task) = task(&path);
    let id = SessionId::from_bits(1);
    let key = recorder.begin(id, Wall(1));
    recorder.fact(key, started());
    task.take();
    task.commit(true);
    assert!(task.failing.is_none());

    limit_pages(&task, 1);
    let shape = FrameShape { first: 0x82, masked: true, minimal: true };
    let mut encoder = GroupEncoder::default();
    for at in 0..4000 {
        for len in 0..50 {
            encoder.push(FrameRun { shape, len, count: 1 });
        }
        let head = GroupHead {
            direction: Direction::ClientToServer,
            at: Offset(at),
            first_frame: at * 50,
        };
        recorder.frames(key, head, &mut encoder);
    }
    let gone = recorder.begin(SessionId::from_bits(2), Wall(2));
    recorder.fact(gone, started());
    recorder.fact(gone, timed(9, Event::Finished(Finish::default())));
    task.take();
    task.commit(true);
    assert!(task.failing.is_some());
    task.commit(true);
    assert!(task.batch.bytes() > 100_000);
    task.batch.shed();
    assert_eq!(task.batch.bytes(), 0);

    limit_pages(&task, 1 << 20);
    recorder.fact(key, timed(9_000, Event::Finished(Finish::default())));
    task.take();
    task.commit(true);
    assert!(task.failing.is_none());
    task.finish();

    let reader = Reader::open(&path).unwrap();
    let record = reader.record(id).unwrap();
    assert_eq!(record.state, State::Ended);
    assert_eq!(record.gap, Some(Gap { frames: 200_000, events: 0 }));
    let gaps = reader.gaps().unwrap();
    assert_eq!((gaps[0].sessions, gaps[0].events, gaps[0].frames), (1, 1, 0));
    assert!(reader.find("2").is_err());
}

#[test]
fn a_short_outage_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (recorder, mut task) = task(&path);
    task.commit(true);
    limit_pages(&task, 1);
    let ids: Vec<SessionId> = (0..200).map(SessionId::from_bits).collect();
    for id in &ids {
        let key = recorder.begin(*id, Wall(1));
        recorder.fact(key, started());
        recorder.fact(key, timed(5, Event::Finished(Finish::default())));
    }
    task.take();
    task.commit(false);
    assert!(task.failing.is_some());
    limit_pages(&task, 1 << 20);
    task.commit(true);
    task.finish();
    let reader = Reader::open(&path).unwrap();
    for id in &ids {
        let record = reader.record(*id).unwrap();
        assert_eq!((record.state, record.gap), (State::Ended, None));
        assert_eq!(reader.events(*id).unwrap().len(), 2);
    }
    assert_eq!(reader.gaps().unwrap(), []);
}
