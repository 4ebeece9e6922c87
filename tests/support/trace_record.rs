//! A recorded trace as the record that a tap between client and gateway would have made of it:
//! heads and endings as events, frames as bytes through the real observer.

use serde_json::Value;
use wstap::observe::{Message, Observer, Output, RawControl, Settings};
use wstap::session::{
    Control, Dial, DialFailure, DialStep, Direction, Ending, EndingKind, Event, Finish, FrameRun,
    Head, Kind, Leg, Offset, OpaqueFacts, OwnAnswer, Record, SessionId, Started, Timed, Wall,
};

/// One thing of the trace, at its time.
#[derive(Clone, Debug)]
enum Item {
    Request(Value),
    Response(Value),
    /// Bytes after the heads, and whether they are WebSocket.
    Bytes(Direction, Vec<u8>, bool),
    End(Leg, How),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Fin,
    Reset,
}

/// Makes the record of one session of a trace.
pub(crate) fn record(trace: &Value, session: &Value) -> Record {
    let mut events = vec![(0.0, Event::Started(started(session)))];
    let refused = tcp(session).any(|e| e["code"] == "ECONNREFUSED");
    events.push((0.2, Event::Dial(dial(trace, refused))));
    if is_tls(session) {
        events.push((0.3, opaque("tls_client_hello")));
    } else if kind(session) == Kind::Opaque {
        events.push((0.3, opaque("not_http")));
    }
    let items = timeline(session);
    let mut seen = Seen { events, now: 0.0 };
    let mut observer = Observer::new(Settings::default());
    let mut ended = [false; 2];
    for (t, item) in
        items.into_iter().filter(|(_, item)| !refused || matches!(item, Item::Request(_)))
    {
        seen.now = t;
        take(item, &mut seen, &mut observer, &mut ended);
    }
    if refused {
        let why = "connection refused".to_owned();
        seen.event(Event::OwnAnswer(OwnAnswer { status: 502, leg: Leg::Upstream, why }));
    }
    for direction in Direction::BOTH {
        if !ended[direction.index()] {
            observer.on_end(direction, offset(seen.now), &mut seen);
        }
        let traffic = Box::new(observer.traffic(direction));
        seen.event(Event::Traffic { direction, traffic });
    }
    seen.event(Event::Finished(Finish::default()));
    let mut record = Record::new(SessionId::from_bits(1), Wall(0));
    for (t, event) in seen.events {
        record.apply(&Timed { at: offset(t), event });
    }
    record.conclude();
    record
}

fn take(item: Item, seen: &mut Seen, observer: &mut Observer, ended: &mut [bool; 2]) {
    match item {
        Item::Request(head) => {
            seen.event(Event::Request { head: head_of(&head), changes: Vec::new() });
        }
        Item::Response(head) => {
            observer.upgraded(None);
            seen.event(Event::Response { head: head_of(&head), interim: Vec::new() });
            let switching = text(&head["startLine"]).contains(" 101 ");
            if let Some(body) = head["body"].as_str().filter(|_| !switching) {
                let bytes = body.len() as u64;
                let text = body.chars().take(4096).collect();
                seen.event(Event::ResponseBody { text, bytes });
            }
        }
        Item::Bytes(direction, bytes, true) => {
            for chunk in bytes.chunks(64 * 1024) {
                observer.on_bytes(direction, offset(seen.now), chunk, seen);
            }
        }
        Item::Bytes(direction, bytes, false) => {
            observer.on_opaque(direction, offset(seen.now), &bytes);
        }
        Item::End(leg, how) => {
            let direction = leg.reads();
            if std::mem::replace(&mut ended[direction.index()], true) {
                return;
            }
            let cut = observer.on_end(direction, offset(seen.now), seen);
            let missing = cut.map(|c| c.missing.unwrap_or_default());
            let kind = match (how, cut) {
                (How::Reset, _) => EndingKind::Reset { undelivered: 0, missing },
                (How::Fin, None) => EndingKind::Fin,
                (How::Fin, Some(cut)) => EndingKind::FinMidFrame {
                    opcode: cut.opcode,
                    declared: cut.declared,
                    missing: cut.missing,
                },
            };
            seen.event(Event::Ending(Ending { leg, at: offset(seen.now), kind }));
        }
    }
}

/// Collects what the observer says.
struct Seen {
    events: Vec<(f64, Event)>,
    now: f64,
}

impl Output for Seen {
    fn frames(&mut self, _: Direction, _: u64, _: FrameRun) {}

    fn event(&mut self, event: Event) {
        self.events.push((self.now, event));
    }

    fn message(&mut self, _: Message<'_>) {}

    fn control(&mut self, raw: RawControl<'_>) {
        let (direction, reason) = (raw.direction, raw.close.as_ref().map(|c| c.reason.clone()));
        let payload = reason.unwrap_or_else(|| String::from_utf8_lossy(raw.payload).into_owned());
        self.event(Event::Control(Control {
            direction,
            opcode: raw.opcode.nibble(),
            frame: raw.frame,
            payload,
            len: raw.len,
            rtt_ms: raw.rtt,
            code: raw.close.as_ref().and_then(|c| c.code),
            malformed: raw.close.as_ref().is_some_and(|c| c.malformed),
        }));
        if let Some(close) = raw.close {
            let kind = EndingKind::CloseFrame { code: close.code, reason: close.reason };
            let ending = Ending { leg: direction.source(), at: offset(self.now), kind };
            self.event(Event::Ending(ending));
        }
    }

    fn fingerprint(&self, secret: &str) -> String {
        format!("{:08x}", secret.len())
    }
}

fn timeline(session: &Value) -> Vec<(f64, Item)> {
    let mut items: Vec<(f64, Item)> = Vec::new();
    let (request, response) = (&session["request"], &session["response"]);
    let http = kind(session) != Kind::Opaque;
    if http && request["startLine"].is_string() {
        items.push((time(request), Item::Request(request.clone())));
    }
    if http && response["startLine"].is_string() {
        items.push((time(response), Item::Response(response.clone())));
    }
    if !http {
        items.extend(raw(session));
    }
    for frame in session["frames"].as_array().into_iter().flatten() {
        let direction = direction(frame);
        if frame["forwarded"] == false && direction == Direction::ServerToClient {
            continue;
        }
        items.push((time(frame), Item::Bytes(direction, frame_bytes(frame), true)));
    }
    let ends = endings(session);
    let fin = |leg| ends.iter().find(|(_, l, _)| *l == leg).map_or(1e9, |(t, _, _)| *t);
    for (key, leg) in [("truncatedC2S", Leg::Downstream), ("truncatedS2C", Leg::Upstream)] {
        if let Some(bytes) = cut_bytes(&session[key], leg == Leg::Downstream) {
            let last = items.iter().map(|(t, _)| *t).fold(0.0, f64::max);
            items.push((last.min(fin(leg)), Item::Bytes(leg.reads(), bytes, true)));
        }
    }
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    items.extend(ends.into_iter().map(|(t, leg, how)| (t, Item::End(leg, how))));
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    items
}

/// Endings as the tap sees them; see the player's notes on what the recording relay did.
fn endings(session: &Value) -> Vec<(f64, Leg, How)> {
    let mut ends = Vec::new();
    let mut closed = None;
    for event in tcp(session) {
        let leg = if event["side"] == "client" { Leg::Downstream } else { Leg::Upstream };
        let t = time(event);
        match (text(&event["event"]), text(&event["code"])) {
            ("fin", _) => ends.push((t, leg, How::Fin)),
            ("closed", _) => closed = closed.or(Some(t)),
            ("error", "ERR_STREAM_WRITE_AFTER_END") => {
                ends.extend([(t, Leg::Upstream, How::Fin), (t, Leg::Downstream, How::Fin)]);
            }
            ("error", "ECONNREFUSED") => return Vec::new(),
            ("error", _) => ends.push((t, leg, How::Reset)),
            _ => {}
        }
    }
    if let (true, Some(t)) = (ends.is_empty(), closed) {
        ends.push((t, Leg::Upstream, How::Reset));
    }
    ends
}

/// Bytes that are neither HTTP nor WebSocket: TLS records of the recorded lengths, or a reply.
fn raw(session: &Value) -> Vec<(f64, Item)> {
    let len = |key: &str| usize::try_from(session["rawBytes"][key].as_u64().unwrap_or(0)).unwrap();
    let (t, back) = (time(&session["request"]), time(&session["response"]));
    let c2s = if is_tls(session) { tls(len("c2s"), 0x061b) } else { b"HELLO\r\n\r\n".to_vec() };
    let s2c = match session["response"]["startLine"].as_str() {
        Some(_) => head_of(&session["response"]).raw.into_bytes(),
        None => tls(len("s2c"), 0x04ba),
    };
    vec![
        (t, Item::Bytes(Direction::ClientToServer, c2s, false)),
        (back, Item::Bytes(Direction::ServerToClient, s2c, false)),
    ]
}

/// A handshake record, then records of application data up to `total` bytes.
fn tls(total: usize, first: u16) -> Vec<u8> {
    let mut bytes = vec![22, 3, 3];
    bytes.extend(first.to_be_bytes());
    bytes.resize((usize::from(first) + 5).min(total), 1);
    while bytes.len() + 5 < total {
        let body = (total - bytes.len() - 5).min(1 << 14);
        bytes.extend([23, 3, 3]);
        bytes.extend(u16::try_from(body).unwrap().to_be_bytes());
        bytes.resize(bytes.len() + body, 2);
    }
    bytes
}

fn frame_bytes(frame: &Value) -> Vec<u8> {
    let len = usize::try_from(frame["len"].as_u64().unwrap_or(0)).unwrap();
    let mut payload = payload(frame, len);
    payload.resize(len, b' ');
    let mut bytes = header(frame, len);
    if frame["masked"] == true {
        let key = [0x11, 0x22, 0x33, 0x44];
        bytes.extend(key);
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    bytes.extend(payload);
    bytes
}

fn header(frame: &Value, len: usize) -> Vec<u8> {
    let small = |key: &str| u8::try_from(frame[key].as_u64().unwrap_or(0)).unwrap();
    let fin = u8::from(frame["fin"] != false) << 7;
    let masked = u8::from(frame["masked"] == true) << 7;
    let mut bytes = vec![fin | (small("rsv") & 7) << 4 | small("opcode") & 15];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..126), _) => bytes.push(masked | short),
        (_, Ok(medium)) => {
            bytes.push(masked | 0x7e);
            bytes.extend(medium.to_be_bytes());
        }
        (_, Err(_)) => {
            bytes.push(masked | 0x7f);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes
}

fn payload(frame: &Value, len: usize) -> Vec<u8> {
    if frame["opcode"] == 8 {
        let close = &frame["close"];
        let code = close["code"].as_u64().filter(|_| len > 0);
        return code.map_or_else(Vec::new, |code| {
            let code = u16::try_from(code).unwrap();
            [&code.to_be_bytes(), text(&close["reason"]).as_bytes()].concat()
        });
    }
    if let Some(hex) = frame["hex"].as_str() {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_default();
        return (0..hex.len() / 2).map(|pair| digit(pair * 2)).collect();
    }
    let text = text(&frame["text"]);
    if text.len() != len && text.contains('\u{fffd}') {
        // The recorder replaced bytes that were not UTF-8.
        return vec![0xff; len];
    }
    text.as_bytes().to_vec()
}

/// A frame that ends in its middle.
fn cut_bytes(cut: &Value, masked: bool) -> Option<Vec<u8>> {
    let have = usize::try_from(cut["have"].as_u64()?).ok()?;
    let mut frame = cut.clone();
    frame["masked"] = masked.into();
    let mut bytes = header(&frame, usize::try_from(cut["len"].as_u64()?).ok()?);
    bytes.resize(have, 0x11);
    Some(bytes)
}

fn started(session: &Value) -> Started {
    Started {
        kind: kind(session),
        listener: "127.0.0.1:18889".into(),
        client: "127.0.0.1:50001".into(),
        local: "127.0.0.1:18889".into(),
        proxy_header: None,
        earlier_requests: 0,
    }
}

fn dial(trace: &Value, refused: bool) -> Dial {
    let port = trace["gatewayConfig"]["port"].as_u64().unwrap_or(18789);
    let failure = refused.then(|| DialFailure {
        step: DialStep::Connect,
        cause: "refused".into(),
        detail: format!("127.0.0.1:{port}: connection refused"),
        timed_out: false,
    });
    let peer = failure.is_none().then(|| format!("127.0.0.1:{port}"));
    Dial {
        url: format!("http://127.0.0.1:{port}"),
        peer,
        local: Some("127.0.0.1:50002".into()),
        failure,
        ..Dial::default()
    }
}

fn opaque(what: &str) -> Event {
    Event::Opaque(OpaqueFacts { what: what.into(), sni: None, alpn: Vec::new() })
}

fn kind(session: &Value) -> Kind {
    let line = text(&session["request"]["startLine"]);
    match text(&session["kind"]) {
        "websocket" => Kind::Websocket,
        "http" if line.contains(" HTTP/") => Kind::Http,
        _ => Kind::Opaque,
    }
}

fn is_tls(session: &Value) -> bool {
    session["kind"] == "tls-opaque"
}

fn head_of(head: &Value) -> Head {
    let mut raw = format!("{}\r\n", text(&head["startLine"]));
    for header in head["headers"].as_array().into_iter().flatten() {
        raw.extend([text(&header[0]), ": ", text(&header[1]), "\r\n"]);
    }
    raw.push_str("\r\n");
    Head { bytes: raw.len(), raw, redactions: Vec::new(), verbatim: true }
}

fn direction(frame: &Value) -> Direction {
    if frame["dir"] == "c2s" { Direction::ClientToServer } else { Direction::ServerToClient }
}

fn tcp(session: &Value) -> impl Iterator<Item = &Value> {
    session["tcp"].as_array().into_iter().flatten()
}

fn time(value: &Value) -> f64 {
    value["t"].as_f64().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn offset(millis: f64) -> Offset {
    Offset((millis * 1000.0).round() as u64)
}
