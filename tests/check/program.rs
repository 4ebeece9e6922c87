//! The program itself: exit codes, outputs, files, and that no secret leaves it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use wstap::gateway::Policy;

use crate::stage::{TOKEN, closed_port, gateway, ws};

/// Arguments, environment, exit code.
type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32);

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

async fn wstap(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstap"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(environment.iter().copied());
    // The gateway lives in this runtime, so the program must not block it.
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let Output { status, stdout, stderr } = output.expect("a thread").expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code().expect("a code"), stdout: text(stdout), stderr: text(stderr) }
}

#[tokio::test]
async fn the_exit_code_is_the_layer_and_no_output_has_the_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let gateway = gateway(Policy::token(TOKEN)).await;
    let url = ws(gateway.addr());
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).expect("a file");
    let config = format!("{{ gateway: {{ auth: {{ mode: 'token', token: '{TOKEN}' }}, }}, }}");
    std::fs::write(folder.join("openclaw.json"), config).expect("a file");
    let env = [("OPENCLAW_GATEWAY_TOKEN", TOKEN)];
    let wrong = [("OPENCLAW_GATEWAY_TOKEN", "wrong-secret-value")];
    let (_held, closed) = closed_port();
    let closed = ws(closed);
    let query = format!("{url}/?token=secret-of-query-1");
    let rows: [Row<'_>; 10] = [
        (&[&url], &env, 0),
        (&[&url, "--token-file", "token"], &wrong, 0),
        (&[&url, "--config", "openclaw.json"], &wrong, 0),
        (&[&url, "--token", TOKEN, "--json"], &[], 0),
        (&[&url, "--markdown"], &wrong, 11),
        (&[&url], &[], 12),
        (&[&url, "--origin", "https://x"], &env, 13),
        (&[&closed], &env, 10),
        (&["nonsense"], &env, 2),
        (&[&query, "--header", "Authorization: Bearer secret-of-header-1", "--json"], &env, 0),
    ];
    for (args, environment, code) in rows {
        let ran = wstap(folder, &[&["probe"], args].concat(), environment).await;
        assert_eq!(ran.code, code, "{args:?}: {} {}", ran.stdout, ran.stderr);
        for secret in [TOKEN, "wrong-secret-value", "secret-of-query-1", "secret-of-header-1"] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{args:?}");
        }
    }
}

#[tokio::test]
async fn json_markdown_and_junit_tell_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = gateway(Policy::token(TOKEN)).await;
    let url = ws(gateway.addr());
    let args = ["probe", &url, "--json", "--junit", "out.xml"];
    let ran = wstap(folder.path(), &args, &[]).await;
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&json["broken"], &json["layer"]), (&"connect".into(), &"pairing".into()));
    assert!(json["place"]["hostname"].is_string());
    let junit = std::fs::read_to_string(folder.path().join("out.xml")).expect("a file");
    assert!(junit.contains("type=\"pairing.device_identity_required\""), "{junit}");
    assert_eq!(junit.matches("<testcase").count(), json["steps"].as_array().expect("steps").len());
    let ran = wstap(folder.path(), &["probe", &url, "--compare", &url], &[]).await;
    assert!(ran.stdout.contains("differs"), "{}", ran.stdout);
    assert_eq!(ran.code, 12);
}

#[tokio::test]
async fn a_device_is_announced_and_kept_only_when_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let gateway = gateway(Policy::token(TOKEN)).await;
    let url = ws(gateway.addr());
    let env = [("OPENCLAW_GATEWAY_TOKEN", TOKEN)];
    let ran = wstap(folder.path(), &["probe", &url, "--device"], &env).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stderr.contains("this leaves a request"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let args = ["probe", &url, "--keep-device", "device"];
    let first = wstap(folder.path(), &args, &env).await;
    let again = wstap(folder.path(), &args, &env).await;
    let id = |ran: &Ran| {
        let words = ran.stderr.split(|c: char| !c.is_ascii_hexdigit());
        words.max_by_key(|word| word.len()).map(str::to_owned)
    };
    assert_eq!(id(&first), id(&again));
    assert!(again.stderr.contains("used before"), "{}", again.stderr);
    let mode = std::fs::metadata(folder.path().join("device")).expect("a file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[tokio::test]
async fn origins_are_a_gate_for_a_pipeline() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = gateway(Policy::token(TOKEN)).await;
    let url = ws(gateway.addr());
    std::fs::write(folder.path().join("good"), "accept http://localhost:9\nrefuse null\n")
        .expect("x");
    std::fs::write(folder.path().join("bad"), "accept https://a.example\n").expect("x");
    std::fs::write(folder.path().join("broken"), "allow x\n").expect("x");
    for (file, code) in [("good", 0), ("bad", 1), ("broken", 3), ("missing", 3)] {
        let ran = wstap(folder.path(), &["origins", &url, "--expect", file], &[]).await;
        assert_eq!(ran.code, code, "{file}: {} {}", ran.stdout, ran.stderr);
    }
    let ran =
        wstap(folder.path(), &["origins", &url, "--origin", "https://a", "--json"], &[]).await;
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &json["rows"][0]["accepted"]), (0, &false.into()));
}
