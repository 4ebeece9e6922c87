//! Without the tap: the gateway and the CLI of these tests are real and talk to each other.
//! Whatever fails here is no fault of the tap.

use crate::cli::Cli;
use crate::pinned::Release;
use crate::shared;

const HEALTH: [&str; 4] = ["gateway", "call", "health", "--json"];

#[test]
fn the_cli_reaches_the_gateway_with_the_right_token_only() {
    let gateway = shared::with_token();

    let as_operator = gateway.cli().run(&HEALTH);
    assert_eq!(as_operator.code, Some(0), "{as_operator:?}");
    assert!(as_operator.stdout.contains(r#""ok": true"#), "{as_operator:?}");

    let elsewhere = Cli::elsewhere(Release::Current);
    let url = gateway.url();
    let with = |token| [&HEALTH[..], &["--url", &url, "--token", token]].concat();
    let right = elsewhere.run(&with(&gateway.token));
    assert_eq!(right.code, Some(0), "{right:?}");
    let wrong = elsewhere.run(&with("another-token"));
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("gateway token mismatch"), "{wrong:?}");
    assert!(gateway.log().contains("reason=token_mismatch"), "{}", gateway.log());
}
