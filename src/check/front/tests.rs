//! A relay in process that breaks one thing, and what the check finds of it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    DropRequestHeader(&'static str),
    DropResponseHeader(&'static str),
    /// Client bytes wait so long.
    Hold(Duration),
    /// What follows the 101 in its segment is lost.
    DropBehindAnswer,
    SwallowFin,
    /// A Close of the upstream becomes 1000.
    EveryCloseIs1000,
    /// An upgrade without an answer is sent again.
    Repeat,
    /// After so long without a byte of the client.
    CutIdle(Duration),
    CutAlways(Duration),
    /// Nothing is passed on, the answer is this.
    Answer(&'static str),
}

async fn relay(listener: TcpListener, upstream: SocketAddr, fault: Fault) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(async move {
            let life = async { drop(session(client, upstream, fault).await) };
            match fault {
                Fault::CutAlways(after) => drop(timeout(after, life).await),
                _ => life.await,
            }
        });
    }
}

async fn session(mut client: TcpStream, upstream: SocketAddr, fault: Fault) -> std::io::Result<()> {
    let mut head = head_of(&mut client).await?;
    if let Fault::Answer(answer) = fault {
        return client.write_all(answer.as_bytes()).await;
    }
    if let Fault::DropRequestHeader(name) = fault {
        head = without(&head, name);
    }
    let mut gateway = TcpStream::connect(upstream).await?;
    gateway.write_all(&head).await?;
    let mut answer = head_of(&mut gateway).await?;
    if answer.is_empty() && fault == Fault::Repeat {
        gateway = TcpStream::connect(upstream).await?;
        gateway.write_all(&head).await?;
        answer = head_of(&mut gateway).await?;
    }
    if let Fault::DropResponseHeader(name) = fault {
        answer = without(&answer, name);
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    if fault == Fault::DropBehindAnswer {
        answer.truncate(end);
    }
    client.write_all(&answer).await?;
    let ((from_client, to_client), (from_gateway, to_gateway)) =
        (client.into_split(), gateway.into_split());
    let up = up(from_client, to_gateway, fault);
    let down = down(from_gateway, to_client, fault);
    if let Fault::CutIdle(_) = fault {
        tokio::select! { () = up => {}, () = down => {} }
    } else {
        tokio::join!(up, down);
    }
    Ok(())
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Fault) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let limit = if let Fault::CutIdle(after) = fault { after } else { Duration::from_hours(1) };
        let Ok(read) = timeout(limit, from.read(&mut buffer)).await else { return };
        let Ok(count @ 1..) = read else {
            if fault == Fault::SwallowFin {
                sleep(Duration::from_mins(1)).await;
            }
            return;
        };
        // What is small is held back; a stream of large reads is not slowed read by read.
        if let (Fault::Hold(time), 0..4096) = (fault, count) {
            sleep(time).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Fault) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = match fault {
            Fault::EveryCloseIs1000 if buffer[0] == 0x88 => &[0x88, 2, 3, 0xe8],
            _ => &buffer[..count],
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Reads until a head is complete; what follows it may be there too.
async fn head_of(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

fn without(head: &[u8], name: &str) -> Vec<u8> {
    let lines = head.split_inclusive(|byte| *byte == b'\n');
    let other = |line: &&[u8]| !line.to_ascii_lowercase().starts_with(name.as_bytes());
    lines.filter(other).flatten().copied().collect()
}

async fn check(fault: Fault, idle_max: Option<Duration>) -> Result<FrontReport, CouldNotRun> {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let upstream = listener.local_addr().unwrap();
    let front_end = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ws://{}/ws", front_end.local_addr().unwrap());
    let relaying = tokio::spawn(relay(front_end, upstream, fault));
    let target = Target::parse(&target, None).unwrap();
    let reach = Reach { patience: Duration::from_secs(10), ..Reach::default() };
    let (proxy, reload, tell) = (None, None, |_: &str| {});
    let report = front(FrontSettings { target, reach, listener, idle_max, proxy, reload, tell });
    let report = report.await;
    relaying.abort();
    report
}

async fn findings(fault: Fault, idle_max: Option<Duration>) -> Vec<&'static str> {
    let report = check(fault, idle_max).await.unwrap();
    let findings = report.deviations.iter().filter(|found| found.severity.is_finding());
    let mut slugs: Vec<_> = findings.map(|found| found.slug).collect();
    slugs.dedup();
    slugs
}

#[tokio::test]
async fn a_relay_without_a_fault_has_no_finding() {
    assert!(findings(Fault::None, Some(Duration::from_secs(2))).await.is_empty());
}

#[tokio::test]
async fn each_fault_is_found_and_nothing_else() {
    let faults = [
        (Fault::DropRequestHeader("origin"), &["request.origin_changed"][..]),
        (Fault::DropRequestHeader("upgrade"), &["request.upgrade_lost"]),
        (Fault::DropResponseHeader("sec-websocket-protocol"), &["response.subprotocol_changed"]),
        (Fault::DropResponseHeader("sec-websocket-accept"), &["response.accept_wrong"]),
        (Fault::DropBehindAnswer, &["early.server_frame_lost"]),
        (Fault::EveryCloseIs1000, &["ending.close_changed", "ending.close_answer_lost"]),
        (Fault::SwallowFin, &["ending.fin_lost", "ending.reset_lost"]),
        (Fault::Repeat, &["retry.upgrade_repeated"]),
        (Fault::Hold(Duration::from_millis(1200)), &["buffering.client_to_server"]),
        (Fault::Answer("HTTP/1.1 401 Unauthorized\r\n\r\n"), &["upgrade.refused"]),
        (Fault::Answer("\0\0\x06\x04\0\0\0\0\0......"), &["upgrade.client_http2"]),
    ];
    let checks = faults.map(|(fault, slugs)| async move {
        let found = findings(fault, None).await;
        (found != slugs).then(|| format!("{fault:?}: {found:?} instead of {slugs:?}"))
    });
    let wrong: Vec<String> = join_all(checks).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn limits_of_silence_and_of_age_are_told_apart() {
    let (limit, longest) = (Duration::from_secs(2), Some(Duration::from_secs(5)));
    let report = check(Fault::CutIdle(limit), longest).await.unwrap();
    let cut = report.deviations.iter().find(|found| found.slug == "idle.cut").unwrap();
    // From the last byte, which was the upstream's, shortly after the client's.
    assert!(cut.says.contains("after 2.") || cut.says.contains("after 1.9"), "{cut:?}");
    assert!(report.deviations.iter().all(|found| found.slug != "idle.cut_despite_pings"));
    let found = findings(Fault::CutAlways(limit), longest).await;
    assert!(found.contains(&"idle.cut_despite_pings"), "{found:?}");
}

#[tokio::test]
async fn a_way_that_leads_elsewhere_is_not_judged() {
    for answer in ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "\x15\x03\x01\0\x02\x02\x46"] {
        let error = check(Fault::Answer(answer), None).await.unwrap_err().to_string();
        assert!(error.contains("wss://") || error.contains("reverse_proxy 127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn every_form_of_the_report_has_what_was_found() {
    let fault = Fault::DropRequestHeader("origin");
    let mut report = check(fault, None).await.unwrap();
    report.deviations[0].says.push_str(" <&> | \"");
    for text in [front_table(&report), front_markdown(&report), front_junit(&report)] {
        for part in ["request.origin_changed", "Origin: http://127.0.0.1", "--quick"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert!(front_junit(&report).contains("&lt;&amp;&gt; | &quot;"));
    assert!(front_markdown(&report).contains("<&> \\| \""));
}
