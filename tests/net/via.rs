//! Proxies in between, and what they say when they will not.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wstap::{
    connect::{DialSettings, Dialled},
    session::{DialStep, Via},
};

use crate::connect::{closed_port, dial, failed};

/// Bytes that the proxy expects, and its answer to each.
type Script<'a> = &'a [(&'a [u8], &'a [u8])];

/// Dials `ws://gateway.test:7` through a proxy that follows a script and then echoes a byte.
async fn through(scheme: &str, userinfo: &str, script: Script<'_>) -> Dialled {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let via = format!("{scheme}://{userinfo}{}", listener.local_addr().unwrap());
    let settings = DialSettings { via: Some(via.parse().unwrap()), ..DialSettings::default() };
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        for (expected, answer) in script {
            let mut asked = vec![0; expected.len()];
            tcp.read_exact(&mut asked).await.unwrap();
            assert_eq!(
                String::from_utf8_lossy(&asked),
                String::from_utf8_lossy(expected),
                "{asked:?}"
            );
            tcp.write_all(answer).await.unwrap();
        }
        tcp
    };
    let client = async {
        let mut dialled = dial("ws://gateway.test:7", settings).await;
        if let Ok(stream) = &mut dialled.result {
            stream.write_all(b"x").await.unwrap();
            stream.shutdown().await.unwrap();
        }
        dialled
    };
    let (mut tcp, dialled): (TcpStream, Dialled) = tokio::join!(serve, client);
    if dialled.result.is_ok() {
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"x", "the tunnel carries exactly what was written into it");
    }
    dialled
}

fn status(dialled: &Dialled) -> Option<u16> {
    let Via { target, status, proxy, .. } = dialled.dial.via.as_ref().unwrap();
    assert_eq!(target, "gateway.test:7");
    assert_eq!(Some(proxy), dialled.dial.peer.as_ref());
    *status
}

const CONNECT: &[u8] = b"CONNECT gateway.test:7 HTTP/1.1\r\nHost: gateway.test:7\r\n\r\n";

#[tokio::test]
async fn a_connect_tunnel_opens() {
    let dialled = through("http", "", &[(CONNECT, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n")]).await;
    assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
    assert_eq!(status(&dialled), Some(200));
    assert_eq!(dialled.dial.via.unwrap().protocol, "http_connect");
}

#[tokio::test]
async fn credentials_are_sent_and_not_recorded() {
    let asked = b"CONNECT gateway.test:7 HTTP/1.1\r\nHost: gateway.test:7\r\n\
                  Proxy-Authorization: Basic bWU6aHVzaA==\r\n\r\n";
    let dialled = through("http", "me:hush@", &[(asked, b"HTTP/1.1 200 OK\r\n\r\n")]).await;
    assert!(dialled.result.is_ok());
    assert!(!format!("{:?}", dialled.dial).contains("hush"));
}

#[tokio::test]
async fn a_proxys_own_answer_is_told_as_the_proxys() {
    let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno";
    let dialled = through("http", "", &[(CONNECT, answer)]).await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Via, "via_refused"));
    assert!(detail.contains("407 Proxy Authentication Required"), "{detail}");
    assert_eq!(status(&dialled), Some(407));
}

#[tokio::test]
async fn a_proxy_that_makes_no_sense_is_refused() {
    for (answer, words) in [
        (b"".as_slice(), "closed the connection"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer with HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400", "bytes of its own"),
    ] {
        let dialled = closing_after(answer).await;
        let (step, cause, detail) = failed(&dialled);
        assert_eq!((step, cause), (DialStep::Via, "via_refused"), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}

/// A proxy that answers once and closes.
async fn closing_after(answer: &[u8]) -> Dialled {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let via = format!("http://{}", listener.local_addr().unwrap());
    let settings = DialSettings { via: Some(via.parse().unwrap()), ..DialSettings::default() };
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; CONNECT.len()];
        tcp.read_exact(&mut asked).await.unwrap();
        tcp.write_all(answer).await.unwrap();
    };
    tokio::join!(serve, dial("ws://gateway.test:7", settings)).1
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_the_upstream() {
    let (_closed, addr) = closed_port();
    let via = Some(format!("http://{addr}").parse().unwrap());
    let dialled =
        dial("ws://gateway.test:7", DialSettings { via, ..DialSettings::default() }).await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Via, "refused"));
    assert!(detail.contains(&format!("the proxy http://{addr}")), "{detail}");
}

const GREETING: &[u8] = &[5, 1, 0];
const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0cgateway.test\x00\x07";

#[tokio::test]
async fn a_socks_tunnel_opens() {
    let granted = [5, 0, 0, 1, 127, 0, 0, 1, 0, 7];
    let dialled = through("socks5", "", &[(GREETING, &[5, 0]), (REQUEST, &granted)]).await;
    assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
    assert_eq!(status(&dialled), Some(0));
}

#[tokio::test]
async fn a_socks_password_is_sent() {
    let script: Script<'_> = &[
        (&[5, 2, 0, 2], &[5, 2]),
        (b"\x01\x02me\x04hush", &[1, 0]),
        (REQUEST, b"\x05\x00\x00\x03\x04host\x00\x07"),
    ];
    let dialled = through("socks5", "me:hush@", script).await;
    assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
}

#[tokio::test]
async fn a_socks_refusal_keeps_its_code() {
    let refused = [5, 5, 0, 1, 0, 0, 0, 0, 0, 0];
    let dialled = through("socks5", "", &[(GREETING, &[5, 0]), (REQUEST, &refused)]).await;
    assert_eq!(status(&dialled), Some(5));
    assert!(failed(&dialled).2.contains("reply 5 (connection refused)"), "{:?}", dialled.dial);

    let dialled = through("socks5", "", &[(GREETING, &[5, 0xff])]).await;
    assert_eq!(status(&dialled), None);
    assert!(failed(&dialled).2.contains("user name and password"), "{:?}", dialled.dial);

    let wrong: Script<'_> = &[(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x02me\x04hush", &[1, 1])];
    let dialled = through("socks5", "me:hush@", wrong).await;
    assert!(failed(&dialled).2.contains("wrong user name or password"), "{:?}", dialled.dial);
}
