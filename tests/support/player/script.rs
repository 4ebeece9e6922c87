//! One session as a list of steps in the order they must happen.

use super::trace::{CutFrame, Head, Session, Side};
use super::wire;

/// As much of a cut frame as is sent before the gateway answers it; the rest comes after.
const FIRST_PART: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Head,
    Send,
    /// Half close.
    Fin,
    Reset,
    /// Full close: later bytes meet a reset by the kernel.
    Close,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: f64,
    pub(super) side: Side,
    pub(super) op: Op,
    pub(super) data: Vec<u8>,
    pub(super) what: String,
    /// Whether the other side can still see it.
    pub(super) checked: bool,
}

#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// The port is bound, nobody listens.
    pub(super) refused: bool,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: f64,
    side: Side,
    op: Op,
}

pub(super) fn build(session: &Session, seed: u64) -> Script {
    let mut draft = Draft {
        steps: Vec::new(),
        rng: fastrand::Rng::with_seed(seed),
        last: 0.0,
        last_c2s: 0.0,
        close: None,
    };
    draft.heads(session);
    draft.frames(session);
    let (ends, refused) = endings(session);
    draft.cut_frames(session, &ends);
    for end in ends {
        let rank = if end.op == Op::Reset { 5 } else { 3 };
        draft.add(
            rank,
            Step {
                at: end.at,
                side: end.side,
                op: end.op,
                data: Vec::new(),
                what: format!("{} {:?}", end.side, end.op),
                checked: true,
            },
        );
    }
    draft.steps.sort_by(|(rank, step), (other_rank, other)| {
        step.at.total_cmp(&other.at).then(rank.cmp(other_rank))
    });
    let steps = draft.steps.into_iter().map(|(_, step)| step).collect();
    Script { steps: one_write_per_read(settle(steps)), refused }
}

struct Draft {
    steps: Vec<(i8, Step)>,
    rng: fastrand::Rng,
    last: f64,
    last_c2s: f64,
    /// When the gateway sent a close frame after the client's last frame.
    close: Option<f64>,
}

impl Draft {
    fn add(&mut self, rank: i8, step: Step) {
        self.steps.push((rank, step));
    }

    fn send(&mut self, at: f64, side: Side, data: Vec<u8>, what: &str) {
        self.add(0, Step { at, side, op: Op::Send, data, what: what.to_owned(), checked: true });
    }

    fn heads(&mut self, session: &Session) {
        let heads = [
            (Side::Client, &session.request, "request head"),
            (Side::Gateway, &session.response, "response head"),
        ];
        for (side, head, what) in heads {
            let Some(head) = head else { continue };
            let data = wire::head(head);
            if data.is_empty() {
                continue;
            }
            let head_len = data.len();
            self.add(
                0,
                Step { at: head.t, side, op: Op::Head, data, what: what.to_owned(), checked: true },
            );
            self.last = head.t;
            if side == Side::Gateway && !head.is_switching() {
                self.body(head, session.raw_bytes.s2c.saturating_sub(head_len));
            }
        }
        self.last_c2s = self.last;
    }

    fn body(&mut self, head: &Head, len: usize) {
        let Some(body) = head.body.clone().map(String::into_bytes) else { return };
        let body = if len > 0 { wire::fit(body, len, b' ') } else { body };
        if !body.is_empty() {
            self.send(head.t, Side::Gateway, body, "response body");
        }
    }

    fn frames(&mut self, session: &Session) {
        for (index, frame) in session.frames.iter().enumerate() {
            let (side, data) = (frame.side(), wire::frame(frame, &mut self.rng));
            if frame.forwarded == Some(false) && side == Side::Gateway {
                continue;
            }
            let what = format!("frame {index} ({} {} {})", frame.dir, frame.name, frame.len);
            self.send(frame.t, side, data, &what);
            self.last = self.last.max(frame.t);
            if side == Side::Client {
                (self.last_c2s, self.close) = (frame.t, None);
            } else if frame.opcode == 8 {
                self.close = self.close.or(Some(frame.t));
            }
        }
    }

    fn cut_frames(&mut self, session: &Session, ends: &[End]) {
        let first_end = ends.iter().map(|end| end.at).reduce(f64::min).unwrap_or(self.last);
        let gateway_fin = session
            .tcp
            .iter()
            .rev()
            .find(|e| e.event == "fin" && e.side() == Side::Gateway)
            .map(|e| e.t);
        if let Some(cut) = session.truncated_c2s {
            self.cut_from_client(cut, first_end, gateway_fin.unwrap_or(first_end), ends);
        }
        if let Some(cut) = session.truncated_s2c {
            let (data, at) =
                (wire::cut_frame(cut, None), gateway_fin.unwrap_or(first_end).min(first_end));
            self.cut_part(1, at, Side::Gateway, data);
        }
    }

    fn cut_from_client(&mut self, cut: CutFrame, first_end: f64, gateway_end: f64, ends: &[End]) {
        let mut data = wire::cut_frame(cut, Some(&mut self.rng));
        let Some(close) = self.close.filter(|&close| close > self.last_c2s) else {
            self.cut_part(1, self.last.min(first_end), Side::Client, data);
            return;
        };
        let rest = data.split_off(data.len().min(FIRST_PART));
        self.cut_part(-1, close, Side::Client, data);
        if !rest.is_empty() {
            let checked = !ends.iter().any(|end| end.side == Side::Gateway && end.op == Op::Reset);
            let what = "cut frame (rest)".to_owned();
            self.add(
                4,
                Step {
                    at: close.max(gateway_end),
                    side: Side::Client,
                    op: Op::Send,
                    data: rest,
                    what,
                    checked,
                },
            );
        }
    }

    fn cut_part(&mut self, rank: i8, at: f64, side: Side, data: Vec<u8>) {
        self.add(
            rank,
            Step { at, side, op: Op::Send, data, what: "cut frame".to_owned(), checked: true },
        );
    }
}

/// How the recorded connection ended, and whether the gateway refused it.
fn endings(session: &Session) -> (Vec<End>, bool) {
    let mut ends: Vec<End> = Vec::new();
    let mut closed: Option<f64> = None;
    for event in &session.tcp {
        let (at, side) = (event.t, event.side());
        match (event.event.as_str(), event.code.as_deref()) {
            ("fin", _) => ends.push(End { at, side, op: Op::Fin }),
            ("closed", _) => closed = Some(closed.map_or(at, |earlier| earlier.min(at))),
            ("error", Some("ECONNREFUSED")) => return (Vec::new(), true),
            ("error", Some("EPIPE"))
                if side == Side::Client && ends.iter().any(|end| end.side == side) =>
            {
                ends.iter_mut().filter(|end| end.side == side).for_each(|end| end.op = Op::Close);
            }
            // The recorder had ended both ways when it wrote once more.
            ("error", Some("ERR_STREAM_WRITE_AFTER_END")) => {
                ends.extend([Side::Gateway, Side::Client].map(|side| End {
                    at,
                    side,
                    op: Op::Fin,
                }));
            }
            ("error", _) => ends.push(End { at, side, op: Op::Reset }),
            (_, _) => {}
        }
    }
    // Both sides closed with neither a FIN nor an error: the recorder reset the connection.
    if let (true, Some(at)) = (ends.is_empty(), closed) {
        ends.push(End { at, side: Side::Gateway, op: Op::Reset });
    }
    (ends, false)
}

/// Drops what a side would send after its own end, and stops checking what a closed side cannot see.
fn settle(steps: Vec<Step>) -> Vec<Step> {
    let (mut ended, mut gone): (Vec<Side>, Vec<Side>) = (Vec::new(), Vec::new());
    let mut kept = Vec::with_capacity(steps.len());
    for mut step in steps {
        let over = match step.op {
            Op::Head | Op::Send | Op::Fin => ended.contains(&step.side),
            Op::Reset | Op::Close => gone.contains(&step.side),
        };
        if over {
            continue;
        }
        match step.op {
            Op::Head | Op::Send => step.checked &= !gone.contains(&step.side.other()),
            Op::Fin => ended.push(step.side),
            Op::Reset | Op::Close => {
                ended.push(step.side);
                gone.push(step.side);
            }
        }
        kept.push(step);
    }
    kept
}

/// Frames with one timestamp came in one read and go out in one write.
fn one_write_per_read(steps: Vec<Step>) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        match merged.last_mut() {
            Some(last)
                if (last.op, step.op) == (Op::Send, Op::Send)
                    && (last.side, last.checked) == (step.side, step.checked)
                    && last.at.total_cmp(&step.at).is_eq() =>
            {
                last.data.extend(step.data);
                last.what = format!("{}, {}", last.what, step.what);
            }
            Some(_) | None => merged.push(step),
        }
    }
    merged
}
