//! Recorded sessions of real gateways, turned into bytes again.

use std::fs;
use std::path::Path;

use serde_json::Value;
use wstap::session::{ConnectFacts, Event, HelloFacts, RefusalFacts};

use crate::script::{C2S, S2C, Script, masked, plain};

/// Recorded texts above this many characters are cut.
const CUT: u64 = 24_000;

fn payload(frame: &Value) -> Vec<u8> {
    if let Some(close) = frame.get("close") {
        let code = close["code"].as_u64().map(|code| u16::try_from(code).unwrap());
        let reason = close["reason"].as_str().unwrap_or_default().as_bytes();
        return code.map_or_else(Vec::new, |code| [&code.to_be_bytes(), reason].concat());
    }
    match (frame["text"].as_str(), frame["hex"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => hex
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect(),
        (None, None) => Vec::new(),
    }
}

/// Plays the frames of a recorded session.
fn play(session: &Value) -> Script {
    let mut script = Script::new();
    for frame in session["frames"].as_array().unwrap() {
        let first = u8::try_from(frame["opcode"].as_u64().unwrap()).unwrap()
            | if frame["fin"] == true { 0x80 } else { 0 };
        let payload = payload(frame);
        let bytes =
            if frame["masked"] == true { masked(first, &payload) } else { plain(first, &payload) };
        let direction = if frame["dir"] == "c2s" { C2S } else { S2C };
        script = script.bytes(direction, &bytes);
    }
    script
}

fn sessions(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
    let text = fs::read_to_string(folder.join(name)).expect("the trace lies in the corpus");
    let mut trace: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(sessions) = trace["sessions"].take() else { return Vec::new() };
    sessions.into_iter().filter(|session| session["frames"].is_array()).collect()
}

fn connect(script: &Script) -> Option<&ConnectFacts> {
    script.events().into_iter().find_map(|event| match event {
        Event::Connect(facts) => Some(facts),
        _ => None,
    })
}

fn hello(script: &Script) -> Option<&HelloFacts> {
    script.events().into_iter().find_map(|event| match event {
        Event::Hello(facts) => Some(facts),
        _ => None,
    })
}

fn refusal(script: &Script) -> Option<&RefusalFacts> {
    script.events().into_iter().find_map(|event| match event {
        Event::Refusal(facts) => Some(facts),
        _ => None,
    })
}

#[test]
fn a_real_cli_that_succeeds() {
    let sessions = sessions("cli-gateway-status-ok.json");
    let script = play(&sessions[0]);
    let connect = connect(&script).unwrap();
    assert_eq!(connect.client_mode.as_deref(), Some("probe"));
    assert_eq!(connect.credentials[0].name, "token");
    let hello = hello(&script).unwrap();
    assert_eq!(hello.conn_id.as_deref(), Some("35e82d15-da75-4993-8d18-a3d7709a1416"));
    assert_eq!(hello.auth_method.as_deref(), Some("token"));
    assert_eq!(hello.protocol, Some(4));
    assert!(script.observer.is_established());
}

#[test]
fn a_real_browser_that_is_not_paired() {
    let sessions = sessions("browser-pairing-required.json");
    let script = play(&sessions[0]);
    let connect = connect(&script).unwrap();
    assert_eq!(connect.client_id.as_deref(), Some("openclaw-control-ui"));
    let names: Vec<_> = connect.credentials.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["token", "password"]);
    assert_eq!(connect.credentials[0].fingerprint, connect.credentials[1].fingerprint);
    let refusal = refusal(&script).unwrap();
    assert_eq!(refusal.code.as_deref(), Some("NOT_PAIRED"));
    assert_eq!(refusal.detail_code.as_deref(), Some("PAIRING_REQUIRED"));
    assert_eq!(refusal.details.as_ref().unwrap()["reason"], "not-paired");
    assert_eq!(hello(&script), None);
}

#[test]
fn a_broken_client_is_named() {
    let sessions = sessions("ws-reserved-opcode.json");
    assert_eq!(play(&sessions[0]).violations(), ["c2s:reserved_opcode@0"]);
}

/// Every trace, against what its texts say when they are simply parsed.
#[test]
fn the_facts_of_every_trace_are_those_of_its_frames() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
    let (mut connects, mut answers) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.contains(".json") || name == "index.json" {
            continue;
        }
        for session in sessions(&name) {
            let script = play(&session);
            let frames = session["frames"].as_array().unwrap();
            let json = |frame: &&Value| frame["len"].as_u64().unwrap() <= CUT;
            let texts: Vec<(bool, Value)> = frames
                .iter()
                .filter(json)
                .filter_map(|frame| {
                    let value: Value = serde_json::from_slice(&payload(frame)).ok()?;
                    Some((frame["dir"] == "c2s", value))
                })
                .collect();
            let asked = texts.iter().find(|(c2s, json)| *c2s && json["method"] == "connect");
            let asked = asked.map(|(_, json)| json);
            let id = asked.and_then(|json| json["params"]["client"]["id"].as_str());
            assert_eq!(connect(&script).and_then(|facts| facts.client_id.as_deref()), id, "{name}");
            connects += usize::from(id.is_some());
            let Some(asked) = asked else { continue };
            let answer = texts.iter().find(|(c2s, json)| !c2s && json["id"] == asked["id"]);
            let Some((_, answer)) = answer else { continue };
            answers += 1;
            if answer["ok"] == true {
                let conn_id = answer["payload"]["server"]["connId"].as_str();
                assert_eq!(hello(&script).unwrap().conn_id.as_deref(), conn_id, "{name}");
            } else {
                let facts = refusal(&script).unwrap();
                assert_eq!(facts.code.as_deref(), answer["error"]["code"].as_str(), "{name}");
                let detail = answer["error"]["details"]["code"].as_str();
                assert_eq!(facts.detail_code.as_deref(), detail, "{name}");
            }
        }
    }
    assert!(connects > 80 && answers > 80, "{connects} {answers}");
}
