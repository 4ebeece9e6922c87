//! The life of one client connection: what comes first, and what comes after that.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exchange;
use super::recording::{Recording, Tools};
use super::settings::Route;
use super::tunnel::{Opening, tunnel};
use super::watcher::Watcher;
use crate::accept::{ClientHello, Incoming, ProxyHeaderError, ServerTls, Spare, read_proxy_header};
use crate::relay::Seen;
use crate::session::{
    Ending, EndingKind, Event, Finish, Kind, Leg, OpaqueFacts, ProxyHeader, Started, TlsFacts,
};
use crate::socket::Stream;
use crate::upgrade::{Asks, First, RequestHead, read_first};

/// What connections of one listener share.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) tools: Arc<Tools>,
    pub(super) route: Route,
    /// The listener as it was printed.
    pub(super) name: String,
    pub(super) head_patience: std::time::Duration,
    pub(super) keepalive: Option<std::time::Duration>,
    /// No further client, and no further request, is wanted.
    pub(super) stopping: CancellationToken,
    /// What is still open ends now.
    pub(super) cut: CancellationToken,
    pub(super) tracker: TaskTracker,
    /// Clients that were accepted.
    pub(super) clients: AtomicU64,
}

impl Listening {
    /// Reads the listener's certificate again, and says how that went. The upstream's trust
    /// stays as it was.
    pub(super) fn reload(&self) -> String {
        let name = &self.name;
        match self.route.tls.as_ref().map(ServerTls::reload) {
            None => format!("{name} has no certificate to read again"),
            Some(Ok(())) => format!("certificate of {name} read again"),
            Some(Err(error)) => format!("certificate of {name} stays as it was: {error}"),
        }
    }
}

/// A connection between two requests.
pub(super) struct Connection {
    pub(super) listening: Arc<Listening>,
    accepted: Instant,
    client: String,
    local: String,
    /// The client's own address where one is known, for forwarded headers.
    pub(super) client_ip: Option<std::net::IpAddr>,
    proxy_header: Option<Box<ProxyHeader>>,
    tls: Option<Box<TlsFacts>>,
    pub(super) requests: u32,
    /// Until the first dial.
    spare: Spare,
}

/// Serves one connection until it ends, or until a session begins that goes on in a task of its
/// own.
pub(super) async fn serve(listening: Arc<Listening>, incoming: Incoming) {
    let accepted = Instant::now();
    let Incoming { stream, peer, local, peer_ip, spare } = incoming;
    if let Some(every) = listening.keepalive {
        // Only the probes would be missing.
        drop(stream.set_keepalive(every));
    }
    let mut connection = Box::new(Connection {
        listening,
        accepted,
        client_ip: peer_ip,
        client: peer,
        local,
        proxy_header: None,
        tls: None,
        requests: 0,
        spare,
    });
    let opened = Box::pin(connection.open(stream)).await;
    if let Some((stream, buffer)) = opened {
        requests(connection, stream, buffer).await;
    }
}

/// Waits for heads and serves them. `buffer` holds what the client sent ahead.
async fn requests(mut connection: Box<Connection>, mut stream: Stream, mut buffer: Vec<u8>) {
    let opening = loop {
        let listening = Arc::clone(&connection.listening);
        // On the heap, like all that is over when a session begins.
        let waiting = Box::pin(next_first(&listening, &mut stream, &mut buffer));
        let Some(first) = waiting.await else {
            // Nothing was begun that an end could break off.
            drop(stream.shutdown().await);
            return;
        };
        match first {
            First::Head(head) if head.asks == Asks::Exchange => {
                connection.spare = Spare::default();
                match Box::pin(exchange::serve(&mut connection, stream, buffer)).await {
                    Some(kept) => (stream, buffer) = kept,
                    None => return,
                }
            }
            First::Head(head) => break connection.request(Instant::now(), buffer, head),
            First::NotHttp => break connection.bytes("not_http", buffer),
            First::TooLong => break connection.bytes("head_too_long", buffer),
            First::Slow => break connection.bytes("slow_head", buffer),
            First::Ended if !buffer.is_empty() => {
                break connection.bytes("incomplete_head", buffer);
            }
            First::Ended => {
                return Box::pin(connection.left(stream, EndingKind::Fin, &buffer)).await;
            }
            First::Failed(error) => {
                let kind = Seen::of(&Stream::read_failure(&error), 0).kind("");
                return Box::pin(connection.left(stream, kind, &buffer)).await;
            }
        }
    };
    connection.spare = Spare::default();
    let tracker = connection.listening.tracker.clone();
    tracker.spawn(session(connection, stream, opening));
}

/// A session that is relayed as bytes, in a task that holds nothing but what relaying needs: it
/// may be idle for days. Afterwards the client may go on to another request.
async fn session(connection: Box<Connection>, mut stream: Stream, opening: Opening) {
    let listening = &connection.listening;
    let next = tunnel(&listening.route, &mut stream, opening, &listening.cut).await;
    if let Some(buffer) = next {
        go_on(connection, stream, buffer).await;
    }
}

/// [`requests`] behind a pointer, which ends the circle of types.
fn go_on(
    connection: Box<Connection>,
    stream: Stream,
    buffer: Vec<u8>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(requests(connection, stream, buffer))
}

/// What comes next; nothing when the proxy stops before a byte of it came.
async fn next_first(
    listening: &Listening,
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
) -> Option<First> {
    let first = tokio::select! {
        biased;
        first = read_first(stream, buffer, listening.head_patience) => Some(first),
        () = listening.stopping.cancelled() => None,
    };
    if first.is_some() || buffer.is_empty() {
        return first;
    }
    // A head was under way: it may still become a session within the drain.
    let rest = read_first(stream, buffer, listening.head_patience);
    listening.cut.run_until_cancelled(rest).await
}

impl Connection {
    /// A PROXY header and TLS, where the listener asks for them.
    async fn open(&mut self, mut stream: Stream) -> Option<(Stream, Vec<u8>)> {
        let listening = Arc::clone(&self.listening);
        let mut unread = Bytes::new();
        let trusted = listening.route.proxy_protocol.as_ref();
        if trusted.is_some_and(|trusted| trusted.trusts(self.client_ip)) {
            match read_proxy_header(&mut stream, listening.head_patience).await {
                Ok((header, behind)) => {
                    self.believe(header);
                    unread = behind;
                }
                Err(error) => {
                    self.refuse(&stream, &error);
                    return None;
                }
            }
        }
        let Some(tls) = &listening.route.tls else { return Some((stream, unread.into())) };
        match tls.establish(stream, unread).await {
            Ok((stream, facts)) => {
                self.tls = Some(Box::new(facts));
                Some((stream, Vec::new()))
            }
            Err(failure) => {
                let recording = self.begin(self.accepted, Kind::Opaque);
                let now = Instant::now();
                let error = failure.to_string();
                recording.fact(now, Event::TlsFailed { leg: Leg::Downstream, error });
                recording.fact(now, Event::Finished(Finish::default()));
                None
            }
        }
    }

    fn believe(&mut self, header: ProxyHeader) {
        if let Some(source) = &header.source {
            self.client_ip = source.parse().ok().map(|addr: std::net::SocketAddr| addr.ip());
        }
        self.proxy_header = Some(Box::new(header));
    }

    fn refuse(&self, stream: &Stream, error: &ProxyHeaderError) {
        let recording = self.begin(self.accepted, Kind::Opaque);
        let now = Instant::now();
        let kind = EndingKind::CutByWstap { why: error.to_string() };
        let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
        recording.fact(now, Event::Ending(ending));
        recording.finish(&[(Leg::Downstream, stream)], Finish::default());
    }

    /// Begins the record of a request or of bytes on this connection.
    pub(super) fn begin(&self, began: Instant, kind: Kind) -> Recording {
        let facts = Started {
            kind,
            listener: self.listening.name.clone(),
            client: self.client.clone(),
            local: self.local.clone(),
            proxy_header: self.proxy_header.as_deref().cloned(),
            earlier_requests: self.requests,
        };
        let recording = Recording::begin(&self.listening.tools, began, facts);
        if let Some(facts) = &self.tls {
            recording.fact(began, Event::Tls { leg: Leg::Downstream, facts: (**facts).clone() });
        }
        recording
    }

    /// An upgrade, or a request that goes on as bytes: head first, and whatever came behind it.
    fn request(&mut self, now: Instant, buffer: Vec<u8>, head: RequestHead) -> Opening {
        let kind = if head.asks == Asks::WebSocket { Kind::Websocket } else { Kind::Http };
        let recording = self.begin(now, kind);
        self.requests += 1;
        let edits = &self.listening.route.edits;
        let (first, head_len) = if edits.is_empty() {
            recording.request(now, &buffer[..head.len], Vec::new());
            (buffer, head.len)
        } else {
            let edited = edits.apply(&buffer[..head.len], self.client_ip, self.tls.is_some());
            recording.request(now, &buffer[..head.len], edited.changes);
            let head_len = edited.raw.len();
            ([&edited.raw, &buffer[head.len..]].concat(), head_len)
        };
        let watcher = Watcher::of_request(recording, &head);
        Opening { watcher, first, head: Some(head_len) }
    }

    /// Bytes that are not HTTP: they go on as they are.
    fn bytes(&self, what: &str, buffer: Vec<u8>) -> Opening {
        let now = Instant::now();
        let recording = self.begin(now, Kind::Opaque);
        let (facts, make): (_, fn(_) -> _) = match ClientHello::of(&buffer) {
            ClientHello::Whole(facts) => (facts, Watcher::of_bytes),
            ClientHello::Partial => (OpaqueFacts::named("tls_client_hello"), Watcher::of_hello),
            ClientHello::No => (OpaqueFacts::named(what), Watcher::of_bytes),
        };
        recording.fact(now, Event::Opaque(facts));
        Opening { watcher: make(recording), first: buffer, head: None }
    }

    /// The client ended without a request. Between two requests, and without a byte of another
    /// one, that is how connections end.
    async fn left(&self, mut stream: Stream, kind: EndingKind, unsent: &[u8]) {
        if self.requests == 0 || !unsent.is_empty() {
            let recording = self.begin(self.accepted, Kind::Opaque);
            let now = Instant::now();
            let what = if unsent.is_empty() { "no_bytes" } else { "incomplete_head" };
            recording.fact(now, Event::Opaque(OpaqueFacts::named(what)));
            if !unsent.is_empty() {
                let bytes = unsent.len();
                recording.note("not_passed_on", format!("{bytes} bytes: no upstream was dialled"));
            }
            let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
            recording.fact(now, Event::Ending(ending));
            recording.finish(&[(Leg::Downstream, &stream)], Finish::default());
        }
        // The client is gone: nobody is left to be told that this failed.
        drop(stream.shutdown().await);
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(_: impl FnOnce() -> F) -> usize {
        size_of::<F>()
    }

    fn any<T>() -> T {
        unreachable!("only the type is looked at")
    }

    /// What an idle session costs beside its sockets: thousands of them are usual.
    #[test]
    fn the_futures_of_an_idle_session_are_small() {
        let relaying = size_of_future(|| session(any(), any(), any()));
        let connection = size_of::<Connection>();
        let watching = size_of::<Watcher>();
        let all = relaying + connection + watching;
        assert!(all <= 1800, "{relaying} + {connection} + {watching} bytes");
    }
}
