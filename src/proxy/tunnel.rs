//! A session that is relayed as bytes: an upgrade, a request no library can represent, or no
//! HTTP at all. The upstream is dialled first; the client gets exactly the upstream's answer.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::recording::Recording;
use super::settings::Route;
use super::watcher::Watcher;
use crate::connect::Dialled;
use crate::relay::{self, End, Seen, Watch};
use crate::session::{DialFailure, Ending, EndingKind, Event, Finish, Leg, OwnAnswer};
use crate::socket::{Failure, Finish as How, Stream};
use crate::upgrade::refusal;

/// How long the client may take to read our own answer before the connection is dropped.
const ANSWER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a dial may take before the client is watched beside it.
const UNREAD: std::time::Duration = std::time::Duration::from_millis(100);

/// What a tunnel begins with.
pub(super) struct Opening {
    /// On the heap, so that it is not in the future once for every place it moves through.
    pub(super) watcher: Box<Watcher>,
    /// What goes to the upstream first.
    pub(super) first: Vec<u8>,
    /// How many bytes of `first` are a request head; none when it is not HTTP.
    pub(super) head: Option<usize>,
}

/// Runs the session to its end. Gives the bytes of the client's next request, if it goes on.
pub(super) async fn tunnel(
    route: &Route,
    client: &mut Stream,
    opening: Opening,
    cut: &CancellationToken,
) -> Option<Vec<u8>> {
    let Opening { mut watcher, first, head } = opening;
    let dialled = tokio::select! {
        dialled = Box::pin(dial(route, &watcher.recording)) => dialled,
        () = cut.cancelled() => Err(None),
        failure = Box::pin(until_reset(client)) => {
            watcher.ended(Leg::Downstream, Instant::now(), Seen::of(&failure, 0));
            let recording = watcher.conclude();
            recording.note("dial_given_up", "the client was gone before the upstream answered");
            recording.finish(&[(Leg::Downstream, client)], Finish::default());
            return None;
        }
    };
    let mut upstream = match dialled {
        Ok(upstream) => upstream,
        Err(failure) => {
            let recording = watcher.recording;
            Box::pin(unreachable(route, client, recording, failure, head.is_some())).await;
            return None;
        }
    };
    watcher.ahead(Instant::now(), &first[head.unwrap_or(0)..]);
    let settings = relay::Settings { cut, first, hand_back: head.is_some() };
    let next = match relay::relay(client, &mut upstream, &mut *watcher, settings).await {
        End::Over => None,
        End::Next(bytes) => Some(bytes),
        End::Cut => {
            cut_off(client).await;
            cut_off(&mut upstream).await;
            None
        }
    };
    finish(watcher, client, &upstream, next.is_some());
    next
}

/// Until the client is gone while the upstream is dialled. Most dials are over before it is worth
/// a look.
async fn until_reset(client: &Stream) -> Failure {
    tokio::time::sleep(UNREAD).await;
    match client.watch_error() {
        Ok(watch) => watch.await,
        Err(_) => std::future::pending().await,
    }
}

async fn dial(route: &Route, recording: &Recording) -> Result<Stream, Option<DialFailure>> {
    let Dialled { result, dial, tls } = route.dialer.dial().await;
    let now = Instant::now();
    recording.fact(now, Event::Dial(dial));
    if let Some(facts) = tls {
        recording.fact(now, Event::Tls { leg: Leg::Upstream, facts });
    }
    result.map_err(Some)
}

fn finish(watcher: Box<Watcher>, client: &Stream, upstream: &Stream, reused: bool) {
    let legs = [(Leg::Downstream, client), (Leg::Upstream, upstream)];
    watcher.conclude().finish(&legs, Finish { reused, ..Finish::default() });
}

/// Nothing could be dialled. A client that spoke HTTP is told why; others see a reset.
async fn unreachable(
    route: &Route,
    client: &mut Stream,
    recording: Recording,
    failure: Option<DialFailure>,
    http: bool,
) {
    let now = Instant::now();
    let why = failure.as_ref().map_or("wstap was told to stop", |failure| &failure.detail);
    if http {
        let status = if failure.as_ref().is_some_and(|f| f.timed_out) { 504 } else { 502 };
        let answer = refusal(status, &route.dialer.upstream().to_string(), why);
        let own = OwnAnswer { status, leg: Leg::Upstream, why: why.to_owned() };
        recording.fact(now, Event::OwnAnswer(own));
        answer_and_close(client, &answer).await;
    } else if client.set_zero_linger().is_err() {
        recording.note("reset_not_passed", "the client could not be reset");
    }
    let kind = EndingKind::CutByWstap { why: why.to_owned() };
    let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
    recording.fact(now, Event::Ending(ending));
    recording.finish(&[(Leg::Downstream, client)], Finish::default());
}

/// Writes our own answer, FIN, and waits for the client's end, so that unread input does not
/// turn the FIN into a reset that would take the answer away.
async fn answer_and_close(client: &mut Stream, answer: &[u8]) {
    let answered = async {
        client.write_all(answer).await?;
        std::future::poll_fn(|cx| client.poll_finish(cx, How::Orderly)).await?;
        let mut rest = [0; 1024];
        while client.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that is gone, or does not go, was told as well as it could be.
    drop(tokio::time::timeout(ANSWER_PATIENCE, answered).await);
}

/// Ends a leg on our own account: FIN without a Close frame, for none was sent.
async fn cut_off(stream: &mut Stream) {
    let finished = std::future::poll_fn(|cx| stream.poll_finish(cx, How::Truncate));
    drop(tokio::time::timeout(std::time::Duration::from_millis(200), finished).await);
}
