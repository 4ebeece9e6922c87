//! What the program says of itself.

use super::wstap::Place;

#[test]
fn help_of_every_subcommand() {
    let place = Place::new();
    for command in [
        "",
        "sessions",
        "show",
        "findings",
        "kpi",
        "explain",
        "verdict",
        "probe",
        "origins",
        "front",
        "join",
        "proxy",
        "cert",
        "import",
        "import log",
    ] {
        let name = if command.is_empty() { "wstap" } else { command }.replace(' ', "_");
        insta::assert_snapshot!(
            format!("help_{name}"),
            place.snapshot(format!("{command} --help").trim())
        );
    }
}

#[test]
fn the_version_is_the_package_s() {
    let ran = Place::new().run("--version");
    assert_eq!((ran.code, ran.stdout), (0, format!("wstap {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn what_is_no_command_is_a_matter_of_usage() {
    let place = Place::new();
    assert_eq!(place.run("").code, 2);
    let ran = place.run("sesions");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("sessions"), "{}", ran.stderr);
}
