//! The scenarios of the demo: what goes wrong, and what the record has to show of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::client::{Device, Farewell, Hail, Proof, Script};
use crate::gateway::{DeviceKey, Ending, LocalPairing, Misbehaviour, Policy, When};
use crate::session::{Layer, Leg};

/// What the stand-in wants of clients.
const TOKEN: &str = "demo-token-5f0c8a41d92e7b36";

/// What one client offers instead.
const WRONG_TOKEN: &str = "demo-token-of-another-gateway-77ab";

/// How long the reverse proxy of the demo lets a connection be silent.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Longer than any scenario takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

/// One session, what it meets, and what is to be seen of it.
#[derive(Debug)]
pub(super) struct Scenario {
    /// Also the path that its client asks for.
    pub(super) name: &'static str,
    /// One sentence: what is simulated.
    pub(super) simulates: &'static str,
    pub(super) route: Route,
    pub(super) midway: Midway,
    /// What the gateway does otherwise than an orderly one.
    gateway: fn(&mut Policy),
    /// What the client does otherwise than a call and a Close 1000.
    client: fn(&mut Script),
    pub(super) expected: Expected,
}

/// How the tap reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Direct,
    /// Through the reverse proxy that cuts silent connections.
    BehindFront,
}

/// What happens once the client is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Midway {
    Nothing,
    Restart,
}

/// What the record has to show.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) status: u16,
    /// The first ending: on which leg, and its `EndingKind::name`.
    pub(super) ending: (Leg, &'static str),
    /// The code of the first Close frame that was on the wire.
    pub(super) close_code: Option<u16>,
    /// `error.details.code` of the refused connect.
    pub(super) refusal: Option<&'static str>,
    /// What the client's application reports; nothing without a 101.
    pub(super) reported: Option<u16>,
    /// How long nothing was sent before the end, at least.
    pub(super) silence: Duration,
    /// Pings that were answered, at least.
    pub(super) pongs: u64,
    /// What the verdict has to say.
    pub(super) verdict: (Layer, &'static str),
}

impl Expected {
    /// A connect that the gateway refuses with this detail and Close 1008.
    const fn refused(refusal: &'static str, layer: Layer, cause: &'static str) -> Self {
        let closed = Self::closed(Leg::Upstream, 1008);
        Self { refusal: Some(refusal), verdict: (layer, cause), ..closed }
    }

    const fn judged(self, layer: Layer, cause: &'static str) -> Self {
        Self { verdict: (layer, cause), ..self }
    }

    const fn closed(by: Leg, code: u16) -> Self {
        Self { close_code: Some(code), reported: Some(code), ..Self::ended(by, "close_frame") }
    }

    /// Without a Close frame.
    const fn ended(leg: Leg, ending: &'static str) -> Self {
        Self {
            status: 101,
            ending: (leg, ending),
            close_code: None,
            refusal: None,
            reported: Some(1006),
            silence: Duration::ZERO,
            pongs: 0,
            verdict: (Layer::Ok, "connected"),
        }
    }
}

/// Every scenario, in the order in which they are played.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "good-session",
        simulates: "a client makes three calls, answers pings, says goodbye",
        gateway: |policy| policy.ping_interval = Duration::from_millis(250),
        client: |script| {
            script.calls = calls(&["health", "status", "system-presence"]);
            script.linger = Duration::from_millis(900);
        },
        expected: Expected { pongs: 2, ..Expected::closed(Leg::Downstream, 1000) },
        ..ORDERLY
    },
    Scenario {
        name: "wrong-token",
        simulates: "a client offers the token of another gateway",
        client: |script| connect_param(script, "auth", json!({ "token": WRONG_TOKEN })),
        expected: Expected::refused("AUTH_TOKEN_MISMATCH", Layer::Auth, "token_mismatch"),
        ..ORDERLY
    },
    Scenario {
        name: "unpaired-device",
        simulates: "a device has the token, but nobody has approved it",
        gateway: |policy| policy.local_pairing = LocalPairing::Required,
        client: with_new_device,
        expected: Expected::refused("PAIRING_REQUIRED", Layer::Pairing, "not_paired"),
        ..ORDERLY
    },
    Scenario {
        name: "foreign-origin",
        simulates: "a web page of a site that is not allowed connects",
        client: as_page_of_another_site,
        expected: Expected::refused(
            "CONTROL_UI_ORIGIN_NOT_ALLOWED",
            Layer::Origin,
            "origin_not_allowed",
        ),
        ..ORDERLY
    },
    Scenario {
        name: "refused-upgrade",
        simulates: "a proxy the gateway does not trust adds X-Forwarded-For",
        client: |script| script.headers = header("X-Forwarded-For", "203.0.113.7"),
        expected: Expected { status: 403, reported: None, ..Expected::ended(Leg::Upstream, "fin") }
            .judged(Layer::Transport, "proxy_attribution_required"),
        ..ORDERLY
    },
    Scenario {
        name: "upstream-fin",
        simulates: "the gateway goes without a Close frame: FIN",
        gateway: |policy| end(policy, Ending::Fin),
        client: stay,
        expected: Expected::ended(Leg::Upstream, "fin")
            .judged(Layer::Transport, "eof_without_close_frame"),
        ..ORDERLY
    },
    Scenario {
        name: "upstream-reset",
        simulates: "the gateway crashes: the connection is reset",
        gateway: |policy| end(policy, Ending::Reset),
        client: stay,
        expected: Expected::ended(Leg::Upstream, "reset")
            .judged(Layer::Transport, "reset_mid_session"),
        ..ORDERLY
    },
    Scenario {
        name: "idle-cut",
        simulates: "a reverse proxy cuts what is silent for 2 seconds",
        route: Route::BehindFront,
        client: stay,
        expected: Expected {
            // The limit, less what a coarse timer takes off.
            silence: Duration::from_millis(1900),
            ..Expected::ended(Leg::Upstream, "fin")
        }
        .judged(Layer::Transport, "eof_without_close_frame"),
        ..ORDERLY
    },
    Scenario {
        name: "restart",
        simulates: "the gateway restarts, and tells its clients so",
        midway: Midway::Restart,
        client: stay,
        expected: Expected::closed(Leg::Upstream, 1012)
            .judged(Layer::Transport, "gateway_shutdown"),
        ..ORDERLY
    },
];

/// What a scenario is where it does not say otherwise.
const ORDERLY: Scenario = Scenario {
    name: "",
    simulates: "",
    route: Route::Direct,
    midway: Midway::Nothing,
    gateway: |_| {},
    client: |_| {},
    expected: Expected::closed(Leg::Downstream, 1000),
};

impl Scenario {
    pub(super) fn policy(&self) -> Policy {
        let mut policy = Policy::token(TOKEN);
        (self.gateway)(&mut policy);
        policy
    }

    pub(super) fn script(&self) -> Script {
        let mut script = Script {
            path: self.path(),
            farewell: Farewell::Normal,
            patience: PATIENCE,
            ..Script::cli(TOKEN)
        };
        (self.client)(&mut script);
        script
    }

    /// By its path a session is found in the store, and seen in every list.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

fn end(policy: &mut Policy, how: Ending) {
    let when = When::Elapsed(Duration::from_millis(400));
    policy.misbehaviour = Misbehaviour::End { when, how };
}

fn stay(script: &mut Script) {
    script.farewell = Farewell::Stay;
}

fn calls(methods: &[&str]) -> Vec<(String, Value)> {
    methods.iter().map(|method| ((*method).to_owned(), json!({}))).collect()
}

fn header(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

fn connect_param(script: &mut Script, name: &str, value: Value) {
    if let Hail::Connect { params, .. } = &mut script.hail {
        params[name] = value;
    }
}

fn with_new_device(script: &mut Script) {
    let mut seed = [0; 32];
    fastrand::fill(&mut seed);
    if let (Hail::Connect { device, .. }, Some(key)) =
        (&mut script.hail, DeviceKey::from_seed(&seed))
    {
        *device = Some(Device { key: key.into(), proof: Proof::Good });
    }
}

/// As the Control UI connects, served from elsewhere.
fn as_page_of_another_site(script: &mut Script) {
    script.headers = header("Origin", "https://dashboard.example");
    let client = json!({
        "id": "openclaw-control-ui",
        "version": "dev",
        "platform": "Linux x86_64",
        "mode": "webchat",
        "buildId": "dev",
    });
    connect_param(script, "client", client);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_into_a_narrow_terminal() {
        for Scenario { name, simulates, .. } in SCENARIOS {
            assert!(name.len() <= 15 && simulates.len() <= 80 - "1/9  ".len() - 15 - 2, "{name}");
        }
    }

    #[test]
    fn every_scenario_has_a_path_of_its_own() {
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            let others = SCENARIOS.iter().skip(at + 1);
            // The store finds sessions by the beginning of their path.
            for other in others {
                let (one, other) = (scenario.path(), other.path());
                assert!(!one.starts_with(&other) && !other.starts_with(&one), "{one} {other}");
            }
        }
    }
}
