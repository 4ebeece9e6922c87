//! Servers that mean harm, or are broken beyond sense: a check ends in time and says what it saw.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wstap::check::Outcome;

use crate::stage::{detail, listener, probe, settings, verdict, ws};

const LIVE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"ok\":true,\"status\":\"live\"}";

/// Answers plain requests as a live gateway; what follows a 101 is up to `then`.
async fn server<F>(then: impl Fn(WebSocketStream<TcpStream>) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = listener().await;
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let Ok(len) = tcp.peek(&mut head).await else { continue };
            if String::from_utf8_lossy(&head[..len]).contains("websocket") {
                if let Ok(ws) = tokio_tungstenite::accept_async(tcp).await {
                    tokio::spawn(then(ws));
                }
            } else {
                drop(tcp.write_all(LIVE).await);
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_flood_of_pings_does_not_outlast_the_patience() {
    let addr = server(|mut ws| async move {
        let flood = [0x89, 0].repeat(32 * 1024);
        while ws.get_mut().write_all(&flood).await.is_ok() {}
    })
    .await;
    let mut settings = settings(&ws(addr));
    settings.reach.patience = Duration::from_secs(1);
    let began = Instant::now();
    let report = probe(&settings).await;
    assert_eq!(verdict(&report, "challenge"), Outcome::Failed, "{report:#?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_time_stamp_beyond_every_clock_is_only_a_wrong_clock() {
    for ts in [i64::MIN, i64::MAX] {
        let addr = server(move |mut ws| async move {
            let payload = serde_json::json!({ "nonce": "n", "ts": ts });
            let event = serde_json::json!({
                "type": "event", "event": "connect.challenge", "payload": payload,
            });
            drop(ws.send(Message::text(event.to_string())).await);
            while let Some(Ok(_)) = ws.next().await {}
        })
        .await;
        let mut settings = settings(&ws(addr));
        settings.reach.patience = Duration::from_secs(1);
        let report = probe(&settings).await;
        assert_eq!(verdict(&report, "challenge"), Outcome::Ok, "{report:#?}");
        let clock = report.step("clock").expect("a step");
        if clock.verdict != Outcome::Skipped {
            assert!(detail(&report, "clock").contains("the gateway's clock is"), "{report:#?}");
        }
    }
}
