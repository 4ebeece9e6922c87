//! One session played: the client dials the proxy, the gateway takes the proxy's dial, the steps run in order.

use super::compare::{self, StreamDifference};
use super::end::{End, Ending, Inbox};
use super::script::{Op, Script, Step};
use super::trace::{Kind, Session, Side};
use super::{Options, Problem, ProblemKind, SessionResult, Traffic, Upstream};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

const CONNECT: Duration = Duration::from_secs(3);
/// How long a connection is held where no more was recorded.
const HOLD: Duration = Duration::from_millis(200);
/// A proxy may dial at once or only after the request.
const EARLY_DIAL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) tap: SocketAddr,
    pub(super) upstream: &'a Upstream,
    pub(super) options: &'a Options,
    pub(super) deadline: Instant,
}

impl Place<'_> {
    fn within(&self, wait: Duration) -> Instant {
        self.deadline.min(Instant::now() + wait)
    }

    fn pause(&self, wait: Duration) {
        thread::sleep(self.within(wait).saturating_duration_since(Instant::now()));
    }
}

pub(super) fn run(
    index: usize,
    session: &Session,
    script: Script,
    place: Place<'_>,
    matched: Sender<()>,
) -> SessionResult {
    let mut result = SessionResult {
        session: index,
        refused: script.refused,
        problems: Vec::new(),
        client_to_gateway: Traffic::default(),
        gateway_to_client: Traffic::default(),
        saw: [None, None],
    };
    let client = match TcpStream::connect_timeout(&place.tap, CONNECT).and_then(End::new) {
        Ok(client) => client,
        Err(e) => {
            let detail = format!("cannot connect to the proxy: {e}");
            result.problems.push(Problem { kind: ProblemKind::NoTap, side: None, detail });
            return result;
        }
    };
    let mut run = Run {
        place,
        framed: session.is_upgraded(),
        refused: script.refused,
        matched: Some(matched),
        client,
        gateway: None,
        client_state: SideState::default(),
        gateway_state: SideState::default(),
        problems: Vec::new(),
    };
    run.play(session, script.steps);
    result.saw = [Side::Client, Side::Gateway].map(|side| run.end(side).and_then(End::end));
    result.client_to_gateway = run.traffic(Side::Client);
    result.gateway_to_client = run.traffic(Side::Gateway);
    result.problems = run.problems;
    result
}

/// What one side has done so far.
#[derive(Debug, Default)]
struct SideState {
    head: Vec<u8>,
    rest: Vec<u8>,
    /// Bytes sent by this side are no longer checked.
    unchecked: bool,
    did: Option<Op>,
    fin_missed: bool,
}

impl SideState {
    /// Whether all this side sent is in the other side's inbox.
    fn has_arrived(head: usize, rest: usize, inbox: &Inbox) -> bool {
        match head_len(&inbox.bytes) {
            _ if head == 0 => inbox.bytes.len() >= rest,
            Some(len) => inbox.bytes.len() - len >= rest,
            None => false,
        }
    }
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The script could not go on; the problem is already noted.
struct Stuck;

struct Run<'a> {
    place: Place<'a>,
    framed: bool,
    refused: bool,
    /// Dropped once the upstream connection is ours.
    matched: Option<Sender<()>>,
    client: End,
    gateway: Option<End>,
    client_state: SideState,
    gateway_state: SideState,
    problems: Vec<Problem>,
}

impl Run<'_> {
    fn play(&mut self, session: &Session, mut steps: Vec<Step>) {
        let gateway_first = steps.first().is_none_or(|step| step.side == Side::Gateway);
        if self.refused {
            self.matched = None;
        } else if (gateway_first || session.kind == Kind::TcpOnly) && !self.accept(EARLY_DIAL) {
            steps.sort_by_key(|step| (step.op, step.side) != (Op::Head, Side::Client));
        }
        let mut previous = 0.0;
        let mut alive = true;
        for step in &steps {
            if self.step(step, previous).is_err() {
                alive = false;
                break;
            }
            previous = step.at.max(previous);
        }
        if self.refused {
            self.after_refusal();
            return;
        }
        if self.gateway.is_none() && alive && !self.accept(EARLY_DIAL) {
            self.problem(
                ProblemKind::NoUpstreamConnection,
                Side::Gateway,
                "the proxy never dialled".to_owned(),
            );
        }
        if alive {
            self.check_endings();
        }
        self.compare(Side::Client);
        self.compare(Side::Gateway);
    }

    fn step(&mut self, step: &Step, previous: f64) -> Result<(), Stuck> {
        let (side, other) = (step.side, step.side.other());
        if side == Side::Gateway
            && self.gateway.is_none()
            && !self.accept(self.place.options.step_timeout)
        {
            return Err(self.stuck(
                ProblemKind::NoUpstreamConnection,
                side,
                format!("needed for {}", step.what),
            ));
        }
        if matches!(self.state(other).did, Some(Op::Fin | Op::Close))
            && self.state(side).did.is_none()
        {
            self.wait_end(side);
        }
        self.wait_arrival(other, &step.what)?;
        if matches!(step.op, Op::Reset | Op::Close) {
            self.wait_arrival(side, &step.what)?;
        }
        self.place.pause(self.place.options.gap(step.at - previous));
        if Instant::now() >= self.place.deadline {
            return Err(self.stuck(
                ProblemKind::Timeout,
                side,
                format!("overall, before {}", step.what),
            ));
        }
        match step.op {
            Op::Head | Op::Send => self.send(step),
            Op::Fin | Op::Reset | Op::Close => {
                self.finish(step);
                Ok(())
            }
        }
    }

    fn send(&mut self, step: &Step) -> Result<(), Stuck> {
        let side = step.side;
        let state = self.state_mut(side);
        state.unchecked |= !step.checked;
        if !state.unchecked {
            if step.op == Op::Head {
                state.head.clone_from(&step.data);
            } else {
                state.rest.extend_from_slice(&step.data);
            }
        }
        let deadline = self.place.within(self.place.options.step_timeout);
        let sent = match side {
            Side::Client => self.client.send(&step.data, deadline),
            Side::Gateway => {
                self.gateway.as_mut().map_or(Ok(()), |gateway| gateway.send(&step.data, deadline))
            }
        };
        if let (Err(error), false, false) = (sent, self.state(side).unchecked, self.refused) {
            return Err(self.stuck(
                ProblemKind::SendFailed,
                side,
                format!("{}: {error}", step.what),
            ));
        }
        if (step.op, side) == (Op::Head, Side::Client) && !self.refused {
            self.accept(self.place.options.step_timeout);
        }
        Ok(())
    }

    fn finish(&mut self, step: &Step) {
        let end = match step.side {
            Side::Client => Some(&mut self.client),
            Side::Gateway => self.gateway.as_mut(),
        };
        if let Some(end) = end {
            if step.op == Op::Fin { end.finish() } else { end.close(step.op == Op::Reset) }
        }
        // A client that saw the gateway's FIN will not see its RST.
        let fin_stays = self.state(step.side).did == Some(Op::Fin)
            && step.op == Op::Reset
            && step.side == Side::Gateway;
        if !fin_stays {
            self.state_mut(step.side).did = Some(step.op);
        }
    }

    /// Takes the proxy's connection; `false` when none came in time or the client was already ended.
    fn accept(&mut self, wait: Duration) -> bool {
        let deadline = self.place.within(wait);
        while self.gateway.is_none() {
            let ended = self.client.end().is_some();
            let left = deadline.saturating_duration_since(Instant::now());
            self.gateway = self.place.upstream.next(left.min(Duration::from_millis(50)));
            if self.gateway.is_none() && (ended || left.is_zero()) {
                return false;
            }
        }
        self.matched = None;
        true
    }

    /// Waits until all that `from` sent has arrived.
    fn wait_arrival(&mut self, from: Side, before: &str) -> Result<(), Stuck> {
        let to = from.other();
        let Some(end) = self.end(to).filter(|end| !end.is_closed() && !self.state(from).unchecked)
        else {
            return Ok(());
        };
        let (head, rest) = (self.state(from).head.len(), self.state(from).rest.len());
        let deadline = self.place.within(self.place.options.step_timeout);
        let arrived = |inbox: &Inbox| SideState::has_arrived(head, rest, inbox);
        end.wait(deadline, |inbox| arrived(inbox) || inbox.end.is_some());
        if end.look(arrived) {
            return Ok(());
        }
        let (len, got_head, ended) =
            end.look(|inbox| (inbox.bytes.len(), head_len(&inbox.bytes), inbox.end));
        let then =
            ended.map_or_else(|| "then waited in vain".to_owned(), |end| format!("then {end}"));
        Err(match (head, got_head) {
            (1.., None) => self.stuck(
                head_kind(from),
                to,
                format!("before {before}: no complete head ({len} bytes), {then}"),
            ),
            (_, got_head) => {
                let got = len - if head == 0 { 0 } else { got_head.unwrap_or(0) };
                self.stuck(
                    bytes_kind(from),
                    to,
                    format!("before {before}: received {got} of {rest} bytes, {then}"),
                )
            }
        })
    }

    /// Waits until `side` has seen the end the other side made.
    fn wait_end(&mut self, side: Side) {
        let Some(end) = self.end(side).filter(|end| !end.is_closed()) else { return };
        let limit = self.place.options.fin_timeout;
        if !end.wait(self.place.within(limit), |inbox| inbox.end.is_some())
            && !self.state(side).fin_missed
        {
            self.state_mut(side).fin_missed = true;
            let did = self.state(side.other()).did;
            let detail = format!("saw no end within {limit:?} after the other side's {did:?}");
            self.problem(ProblemKind::FinNotPropagated, side, detail);
        }
    }

    fn after_refusal(&mut self) {
        let deadline = self.place.within(self.place.options.step_timeout);
        if !self.client.wait(deadline, |inbox| inbox.end.is_some()) {
            let detail = "upstream refused, but the connection stays open".to_owned();
            self.problem(ProblemKind::FinNotPropagated, Side::Client, detail);
        }
        let answer = self.client.look(|inbox| inbox.bytes.clone());
        if !answer.is_empty() {
            let line = String::from_utf8_lossy(&answer)
                .lines()
                .next()
                .map(str::to_owned)
                .unwrap_or_default();
            self.problem(
                ProblemKind::ProxyAnswered,
                Side::Client,
                format!("upstream refused; answered {line:?}"),
            );
        }
    }

    fn check_endings(&mut self) {
        for from in [Side::Client, Side::Gateway] {
            self.wait_arrival(from, "the end").ok();
        }
        for side in [Side::Client, Side::Gateway] {
            let Some(did) = self.state(side.other()).did else { continue };
            if self.end(side).is_none_or(End::is_closed) {
                continue;
            }
            self.wait_end(side);
            let want = if did == Op::Reset { Ending::Reset } else { Ending::Fin };
            if let Some(saw) = self.end(side).and_then(End::end).filter(|&saw| saw != want) {
                let detail = format!("saw {saw}, the {} had sent {want}", side.other());
                self.problem(ProblemKind::Ending, side, detail);
            }
        }
        let (client_did, gateway_did) = (self.client_state.did, self.gateway_state.did);
        if gateway_did.is_none() && client_did != Some(Op::Reset) {
            self.place.pause(HOLD);
        }
        if client_did.is_none() && gateway_did.is_none() {
            for side in [Side::Client, Side::Gateway] {
                if let Some(saw) = self.end(side).and_then(End::end) {
                    self.problem(
                        ProblemKind::Ending,
                        side,
                        format!("saw {saw} though no end was recorded"),
                    );
                }
            }
        }
    }

    /// Compares all that `from` sent with what the other side received.
    fn compare(&mut self, from: Side) {
        let to = from.other();
        let Some(end) = self.end(to) else { return };
        let (bytes, closed) = (end.look(|inbox| inbox.bytes.clone()), end.is_closed());
        let SideState { head, rest, unchecked, .. } = self.state(from);
        let (unchecked, framed) = (*unchecked, self.framed);
        let mut found = Vec::new();
        if head.is_empty()
            && rest.is_empty()
            && !bytes.is_empty()
            && from == Side::Gateway
            && !unchecked
        {
            let start = bytes[..bytes.len().min(60)].escape_ascii().to_string();
            found.push((
                ProblemKind::ProxyAnswered,
                format!("the gateway sent nothing; the client got {start}"),
            ));
        } else {
            let got_head = if head.is_empty() { Some(0) } else { head_len(&bytes) };
            if let Some(text) = got_head.and_then(|len| compare::heads(head, &bytes[..len])) {
                found.push((head_kind(from), text));
            } else if got_head.is_none() && !bytes.is_empty() {
                let start = bytes[..bytes.len().min(80)].escape_ascii().to_string();
                found.push((head_kind(from), format!("head incomplete: {start}")));
            }
            let received = &bytes[got_head.unwrap_or(bytes.len())..];
            if unchecked {
                if !received.starts_with(rest) && !closed {
                    found.push((
                        bytes_kind(from),
                        "bytes altered before the receiver closed".to_owned(),
                    ));
                }
            } else if let Some(difference) = compare::streams(rest, received, framed) {
                found.push(match difference {
                    StreamDifference::Remasked(text) => (ProblemKind::Remasked, text),
                    StreamDifference::Bytes(text) if framed || from == Side::Client => {
                        (bytes_kind(from), text)
                    }
                    StreamDifference::Bytes(text) => (ProblemKind::Body, text),
                });
            }
        }
        for (kind, text) in found {
            // What stopped the script already says that bytes are missing.
            let is_known = kind != head_kind(from) && self.noted(bytes_kind(from), to);
            if !is_known {
                self.problem(kind, to, text);
            }
        }
    }

    fn noted(&self, kind: ProblemKind, side: Side) -> bool {
        self.problems.iter().any(|problem| (problem.kind, problem.side) == (kind, Some(side)))
    }

    fn end(&self, side: Side) -> Option<&End> {
        match side {
            Side::Client => Some(&self.client),
            Side::Gateway => self.gateway.as_ref(),
        }
    }

    fn state(&self, side: Side) -> &SideState {
        match side {
            Side::Client => &self.client_state,
            Side::Gateway => &self.gateway_state,
        }
    }

    fn state_mut(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Client => &mut self.client_state,
            Side::Gateway => &mut self.gateway_state,
        }
    }

    fn traffic(&self, from: Side) -> Traffic {
        Traffic {
            sent: self.end(from).map_or(0, |end| end.sent),
            received: self.end(from.other()).map_or(0, |end| end.look(|inbox| inbox.bytes.len())),
        }
    }

    fn problem(&mut self, kind: ProblemKind, side: Side, detail: String) {
        let problem = Problem { kind, side: Some(side), detail };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn stuck(&mut self, kind: ProblemKind, side: Side, detail: String) -> Stuck {
        self.problem(kind, side, detail);
        Stuck
    }
}

fn head_kind(from: Side) -> ProblemKind {
    match from {
        Side::Client => ProblemKind::RequestHead,
        Side::Gateway => ProblemKind::ResponseHead,
    }
}

fn bytes_kind(from: Side) -> ProblemKind {
    match from {
        Side::Client => ProblemKind::ClientBytes,
        Side::Gateway => ProblemKind::GatewayBytes,
    }
}
