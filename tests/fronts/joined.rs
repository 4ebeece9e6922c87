//! A tap on both sides of nginx: what it changed, and that it was the one who cut.

use serde_json::Value;

use crate::client::Client;
use crate::front::{Front, Program};
use crate::row::stand_in;
use crate::support::record;
use crate::support::tap::Wstap;

#[test]
fn nginx_between_two_taps_is_named_as_the_one_that_cut() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(stand_in());
    let inner = Wstap::start(&format!("ws://{}", gateway.addr()));
    let change = [
        ("proxy_read_timeout 3600s", "proxy_read_timeout 3s"),
        ("      proxy_set_header Host $http_host;\n", ""),
    ];
    let front = Front::start(Program::Nginx, &change, inner.addr);
    let outer = Wstap::start(&format!("ws://{}", front.addr));
    runtime.block_on(Client::Idle.visit(outer.addr));
    for tap in [&outer, &inner] {
        record::ended(tap, 1);
    }
    let stores = [outer.store(), inner.store()].map(|store| store.display().to_string());
    let ran = Wstap::run(&["join", &stores[0], &stores[1], "--json"]);
    let hops: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let pair = &hops[0]["joined"]["pairs"][0];
    assert_eq!((&pair["by"], &pair["ended"]["by"]), (&"key".into(), &"hop".into()), "{pair:#}");
    let says = pair["ended"]["says"].as_str().unwrap();
    assert!(says.contains("the hop between them cut it"), "{says}");
    let changed = |head: &str| -> Vec<&str> {
        let all = pair[head].as_array().unwrap().iter();
        all.map(|difference| difference["name"].as_str().unwrap()).collect()
    };
    assert!(changed("request").contains(&"host"), "{pair:#}");
    assert!(changed("response").contains(&"server"), "{pair:#}");
    let who = &pair["sharpened"]["who"];
    assert_eq!(who, "front_proxy", "{pair:#}");
}
