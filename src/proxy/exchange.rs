//! Ordinary requests: streamed through hyper, one recorded session each.

mod body;
mod upstream;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use self::body::{Closing, CutShort, Download, Upload};
use self::upstream::{Answered, Failed, Upstream};
use super::connection::Connection;
use super::recording::Recording;
use crate::relay::Seen;
use crate::session::{DialFailure, Ending, EndingKind, Event, Finish, Kind, Leg, OwnAnswer};
use crate::socket::{ErrorWatch, Stream};
use crate::upgrade::{Gate, Passed, PassedHead};

/// More headers than this are not framed, so they never come here.
const MAX_HEADERS: usize = 1024;

type Answer = Response<Either<Download, Full<Bytes>>>;

/// The upstream broke off before it answered; so do we.
#[derive(Clone, Copy, Debug, Error)]
#[error("the upstream ended without an answer")]
struct Unanswered;

/// Serves ordinary requests until the client ends, or begins something else: then its stream and
/// the bytes it sent of that are given back.
pub(super) async fn serve(
    connection: &mut Connection,
    stream: Stream,
    pending: Vec<u8>,
) -> Option<(Stream, Vec<u8>)> {
    let listening = Arc::clone(&connection.listening);
    let passed = Passed::default();
    let (edits, ip, tls) = (listening.route.edits.clone(), connection.client_ip, stream.is_tls());
    let edit = Box::new(move |head: &[u8]| edits.apply(head, ip, tls));
    // The library does not read while an answer is under way, so it would not see a reset.
    let client_failed = stream.watch_error().ok();
    let stop = Box::pin(listening.stopping.clone().cancelled_owned());
    let gate = Gate::new(stream, pending, edit, Arc::clone(&passed), stop);
    let cut_short = CutShort::default();
    let shared = Shared {
        upstream: tokio::sync::Mutex::new(Upstream::new(Arc::clone(&listening))),
        passed,
        connection: Mutex::new(connection),
        cut_short: cut_short.clone(),
    };
    let service = service_fn(|request| exchange(&shared, request));
    let served = http1::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        .half_close(true)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(gate), service)
        .without_shutdown();
    let parts = tokio::select! {
        parts = served => parts,
        () = until_cut_short(&listening.cut, client_failed, &cut_short) => {
            shared.record_unserved(false);
            return None;
        }
    };
    shared.record_unserved(parts.as_ref().is_err_and(hyper::Error::is_parse));
    // An error here is an exchange that broke off: its own record says why.
    let gate = parts.ok()?.io.into_inner();
    let goes_on = gate.is_stopped();
    let (mut stream, rest) = gate.into_parts();
    if goes_on && !rest.is_empty() {
        return Some((stream, rest));
    }
    // The client has ended too, or will see this end; nothing is left to be told.
    drop(stream.shutdown().await);
    None
}

/// Until the client resets, or the proxy is told to stop. The reason is set before whatever waits
/// beside this is dropped.
async fn until_cut_short(
    cut: &CancellationToken,
    client_failed: Option<ErrorWatch>,
    cut_short: &CutShort,
) {
    let failed = async {
        match client_failed {
            Some(watch) => watch.await,
            None => std::future::pending().await,
        }
    };
    let kind = tokio::select! {
        () = cut.cancelled() => Seen::Cut.kind("wstap was told to stop"),
        failure = failed => Seen::of(&failure, 0).kind(""),
    };
    cut_short.by(kind);
}

/// What the exchanges of one connection share. They come one after the other.
struct Shared<'a> {
    upstream: tokio::sync::Mutex<Upstream>,
    passed: Passed,
    connection: Mutex<&'a mut Connection>,
    cut_short: CutShort,
}

impl Shared<'_> {
    fn begin(&self, passed: PassedHead) -> Recording {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let recording = connection.begin(passed.at, Kind::Http);
        connection.requests += 1;
        recording.request(passed.at, &passed.raw, passed.edited.changes);
        recording
    }

    fn next_passed(&self) -> Option<PassedHead> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Heads that passed the gate and were not served: with `refused` the library has answered
    /// the first of them itself, with 400, and nobody has answered those behind it.
    fn record_unserved(&self, mut refused: bool) {
        while let Some(passed) = self.next_passed() {
            let recording = self.begin(passed);
            let now = Instant::now();
            let mut finish = Finish { complete: Some(false), ..Finish::default() };
            if std::mem::take(&mut refused) {
                let why = "the request could not be represented".to_owned();
                let own = OwnAnswer { status: 400, leg: Leg::Downstream, why };
                recording.fact(now, Event::OwnAnswer(own));
            } else {
                finish.error = Some("the connection ended before its turn".to_owned());
            }
            if let Some(kind) = self.cut_short.kind() {
                let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
                recording.fact(now, Event::Ending(ending));
            }
            recording.finish(&[], finish);
        }
    }
}

async fn exchange(shared: &Shared<'_>, request: Request<Incoming>) -> Result<Answer, Unanswered> {
    let passed = shared.next_passed().ok_or(Unanswered)?;
    let recording = shared.begin(passed);
    let (parts, body) = request.into_parts();
    let upload = Upload::new(body);
    let uploaded = upload.counter();
    let mut closing = Closing::new(recording, uploaded.clone(), shared.cut_short.clone());
    let mut upstream = shared.upstream.lock().await;
    let sent = upstream.send(Request::from_parts(parts, upload), closing.recording()).await;
    match sent {
        Ok(answered) => Ok(pass_on(closing, answered)),
        Err(Failed::Dial(failure)) => {
            Ok(own_answer(closing.take_over(), &failure, upstream.name()))
        }
        Err(Failed::Exchange(error)) => {
            let recording = closing.take_over();
            let now = Instant::now();
            let (leg, kind, error) = who_broke_off(&error, uploaded.broken());
            let ending = Ending { leg, at: recording.at(now), kind };
            recording.fact(now, Event::Ending(ending));
            let error = Some(error);
            let body_c2s = Some(uploaded.get());
            let finish = Finish { complete: Some(false), error, body_c2s, ..Finish::default() };
            recording.finish(&[], finish);
            Err(Unanswered)
        }
    }
}

/// Which leg ended, how, and that in words: a client that breaks its upload off takes the upstream's
/// connection with it.
fn who_broke_off(error: &std::io::Error, upload: Option<EndingKind>) -> (Leg, EndingKind, String) {
    if let Some(kind) = upload {
        let error = "the client broke the request off before the end of its body";
        (Leg::Downstream, kind, error.to_owned())
    } else {
        let kind = Seen::of(&Stream::read_failure(error), 0).kind("");
        (Leg::Upstream, kind, error.to_string())
    }
}

fn pass_on(closing: Closing, answered: Answered) -> Answer {
    let Answered { response, head } = answered;
    let recording = closing.recording();
    let now = Instant::now();
    let interim = head.as_ref().map(|head| head.interim.clone()).unwrap_or_default();
    let verbatim = head.is_some();
    let raw = head.map_or_else(|| rebuilt(&response), |head| head.raw);
    let mut head = recording.head(&raw);
    head.verbatim = verbatim;
    recording.fact(now, Event::Response { head, interim });
    let (mut parts, body) = response.into_parts();
    // Chunks say where the body ends (RFC 9112 §6.3), and the library sends no head with both.
    if parts.headers.contains_key(hyper::header::TRANSFER_ENCODING) {
        parts.headers.remove(hyper::header::CONTENT_LENGTH);
    }
    Response::from_parts(parts, Either::Left(Download::new(body, closing)))
}

/// A head from what the library kept of it, where the bytes were not seen.
fn rebuilt(response: &Response<Incoming>) -> Vec<u8> {
    let mut raw = format!("{:?} {}\r\n", response.version(), response.status()).into_bytes();
    for (name, value) in response.headers() {
        raw.extend_from_slice(name.as_str().as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value.as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\n");
    raw
}

fn own_answer(recording: &Recording, failure: &DialFailure, upstream: &str) -> Answer {
    let status = if failure.timed_out { 504 } else { 502 };
    let now = Instant::now();
    let own = OwnAnswer { status, leg: Leg::Upstream, why: failure.detail.clone() };
    recording.fact(now, Event::OwnAnswer(own));
    let kind = EndingKind::CutByWstap { why: failure.detail.clone() };
    let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
    recording.fact(now, Event::Ending(ending));
    recording.finish(&[], Finish { complete: Some(false), ..Finish::default() });
    let text = crate::upgrade::refusal_text(upstream, &failure.detail);
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert("x-wstap", hyper::header::HeaderValue::from_static("upstream leg"));
    headers.insert("connection", hyper::header::HeaderValue::from_static("close"));
    response
}
