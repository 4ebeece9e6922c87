//! One line of a table: a front with one change, and what a client and the tap see of it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::thread;

use wstap::gateway::{Gateway, Policy};

use crate::client::{Client, Sight, TOKEN};
use crate::front::{Front, Program};
use crate::says;
use crate::summary::{self, Places};
use crate::support::tap::Wstap;
use crate::support::{ClosedPort, record};

/// Most rows wait for something: three at once do not fill two processors.
const WORKERS: usize = 3;

/// Expectations are words of [`summary::words`]; `nobody` means that the tap sees no session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What to replace in the baseline.
    pub(crate) change: &'static [(&'static str, &'static str)],
    pub(crate) client: Client,
    pub(crate) upstream: Upstream,
    /// What the client sees without the tap: the status line, or how it ended.
    pub(crate) sees: &'static str,
    /// What the tap records between the front and the gateway.
    pub(crate) front_first: &'static str,
    /// What the tap records between the client and the front.
    pub(crate) tap_first: &'static str,
    /// What wstap says of these two records: words of [`summary::verdict_words`].
    pub(crate) front_says: &'static str,
    pub(crate) tap_says: &'static str,
    /// More changes for a front before the tap, and arguments of the tap that go with them.
    pub(crate) towards_tap: Option<TowardsTap>,
    /// Arguments of the tap before the front, and how it dials it.
    pub(crate) from_tap: &'static [&'static str],
    pub(crate) scheme: &'static str,
    /// The front answers in its own words for a gateway, and in others for a tap that answers.
    pub(crate) tap_answers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TowardsTap {
    pub(crate) change: &'static [(&'static str, &'static str)],
    pub(crate) listen: &'static str,
    pub(crate) arguments: &'static [&'static str],
}

impl Row {
    /// An upstream that is there and a client that ends well: to be changed where a row differs.
    pub(crate) const BASE: Self = Self {
        name: "",
        change: &[],
        client: Client::Cli,
        upstream: Upstream::Up,
        sees: "HTTP/1.1 101 Switching Protocols",
        front_first: "",
        tap_first: "",
        front_says: says::WELL,
        tap_says: says::WELL,
        towards_tap: None,
        from_tap: &[],
        scheme: "ws",
        tap_answers: false,
    };

    async fn play(&self, program: Program) -> Vec<String> {
        let gateway = match self.upstream {
            Upstream::Up => Some(stand_in().await),
            Upstream::Down => None,
        };
        let closed = ClosedPort::new();
        let upstream = gateway.as_ref().map_or(closed.addr, Gateway::addr);
        let mut problems = Vec::new();
        let front = Front::start(program, self.change, upstream);
        let direct = match self.scheme {
            "ws" => Some(self.client.visit(front.addr).await),
            // The clients of these tests do not speak TLS.
            _ => None,
        };
        if let Some(direct) = &direct
            && direct.status_line != self.sees
            && direct.ended != self.sees
        {
            problems.push(format!("the client sees {direct:?}, not {}", self.sees));
        }
        self.front_then_tap(program, upstream, direct.as_ref(), &mut problems).await;
        self.tap_then_front(&front, upstream, direct.as_ref(), &mut problems).await;
        problems.iter().map(|problem| format!("{program:?}, {}: {problem}", self.name)).collect()
    }

    /// client, front, tap, gateway.
    async fn front_then_tap(
        &self,
        program: Program,
        upstream: SocketAddr,
        direct: Option<&Sight>,
        problems: &mut Vec<String>,
    ) {
        if self.front_first.is_empty() {
            return;
        }
        let more = self.towards_tap;
        let listen = more.map_or("127.0.0.1:0", |more| more.listen);
        let arguments = more.map_or(&[] as &[&str], |more| more.arguments);
        let tap = Wstap::start_on(listen, &format!("ws://{upstream}"), arguments);
        let change = [self.change, more.map_or(&[], |more| more.change)].concat();
        let front = Front::start(program, &change, tap.addr);
        let sight = self.client.visit(front.addr).await;
        if let Some(direct) = direct
            && !self.tap_answers
            && *direct != sight
        {
            problems
                .push(format!("{sight:?} with the front before the tap, {direct:?} without it"));
        }
        let places = Places { front: front.addr, tap: tap.addr, upstream };
        problems.extend(complaint(
            "front, then tap",
            [self.front_first, self.front_says],
            &tap,
            &places,
        ));
    }

    /// client, tap, front, gateway.
    async fn tap_then_front(
        &self,
        front: &Front,
        upstream: SocketAddr,
        direct: Option<&Sight>,
        problems: &mut Vec<String>,
    ) {
        if self.tap_first.is_empty() {
            return;
        }
        let tap = Wstap::start_with(&format!("{}://{}", self.scheme, front.addr), self.from_tap);
        let sight = self.client.visit(tap.addr).await;
        if let Some(direct) = direct
            && *direct != sight
        {
            problems
                .push(format!("{sight:?} with the tap before the front, {direct:?} without it"));
        }
        let places = Places { front: front.addr, tap: tap.addr, upstream };
        problems.extend(complaint(
            "tap, then front",
            [self.tap_first, self.tap_says],
            &tap,
            &places,
        ));
    }
}

/// What a position lacks of its expectation.
fn complaint(
    position: &str,
    [wanted, says]: [&str; 2],
    tap: &Wstap,
    places: &Places,
) -> Option<String> {
    if wanted == "nobody" {
        let seen = record::recorded(tap).len();
        return (seen > 0).then(|| format!("{position}: {seen} sessions instead of none"));
    }
    let session = record::ended(tap, 1).remove(0);
    let mut words = summary::words(&session, places);
    words.extend(summary::verdict_words(&record::verdict(tap, &session)));
    let missing: Vec<_> = wanted
        .split_whitespace()
        .chain(says.split_whitespace())
        .filter(|wanted| words.iter().all(|word| word != wanted))
        .collect();
    (!missing.is_empty()).then(|| format!("{position}: no {missing:?} in {words:?}"))
}

/// Plays every row, some at once, and fails with all that is wrong.
pub(crate) fn play_all(program: Program, rows: &[Row]) {
    let queue = Mutex::new(rows.iter().collect::<VecDeque<_>>());
    let problems = Mutex::new(Vec::new());
    let work = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        loop {
            let next = queue.lock().unwrap().pop_front();
            let Some(row) = next else { return };
            let mut found = runtime.block_on(row.play(program));
            // A limit that a busy machine kept late is not known for one: that proves nothing.
            if row.client == Client::Idle && !found.is_empty() {
                found = runtime.block_on(row.play(program));
            }
            problems.lock().unwrap().extend(found);
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

pub(crate) async fn stand_in() -> Gateway {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    Gateway::start(listener, Policy::token(TOKEN)).expect("a stand-in for the gateway")
}
