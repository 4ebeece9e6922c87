//! Which origins are tried: those that somebody named, and near misses of them.

use std::net::IpAddr;

use serde::Serialize;

use crate::check::Target;
use crate::openclaw::Origin;

/// One value of the Origin header to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// None sends no such header.
    pub origin: Option<String>,
    pub why: Why,
}

/// Why an origin is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Given,
    File,
    /// A recorded session carried it.
    Store,
    /// An expectation is about it.
    Expected,
    /// The page that this very place would serve.
    Own,
    /// What was changed of another one.
    NearMiss(&'static str),
}

impl Why {
    /// Whether somebody wants it to be accepted.
    pub(super) const fn is_wanted(&self) -> bool {
        match self {
            Self::Given | Self::File | Self::Store => true,
            Self::Expected | Self::Own | Self::NearMiss(_) => false,
        }
    }

    pub fn shown(&self) -> String {
        match self {
            Self::Given => "given".to_owned(),
            Self::File => "from the file".to_owned(),
            Self::Store => "seen in the store".to_owned(),
            Self::Expected => "expected".to_owned(),
            Self::Own => "of this place".to_owned(),
            Self::NearMiss(what) => (*what).to_owned(),
        }
    }
}

/// Each once, in the order of their naming; near misses after the one they are made of.
pub(super) fn all(named: Vec<Candidate>, target: &Target, near_misses: bool) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |candidate: Candidate| {
        if !all.iter().any(|have| have.origin == candidate.origin) {
            all.push(candidate);
        }
    };
    let mut bases = named;
    if !bases.iter().any(|one| one.why.is_wanted()) {
        bases.extend(own(target));
    }
    bases.iter().cloned().for_each(&mut add);
    if near_misses {
        for base in bases.iter().filter(|base| base.why != Why::Expected) {
            base.origin.as_deref().map(near).unwrap_or_default().into_iter().for_each(&mut add);
        }
        add(Candidate { origin: Some("null".to_owned()), why: Why::NearMiss("null") });
        add(Candidate { origin: None, why: Why::NearMiss("no Origin") });
    }
    all
}

/// The origin of a page that is served where the check goes.
fn own(target: &Target) -> Option<Candidate> {
    target.upstream.host()?;
    let scheme = if target.upstream.is_tls() { "https" } else { "http" };
    let origin = Some(format!("{scheme}://{}", target.host));
    Some(Candidate { origin, why: Why::Own })
}

fn near(origin: &str) -> Vec<Candidate> {
    let Some(parsed) = Origin::parse(origin) else { return Vec::new() };
    let Origin { scheme, host, name, .. } = &parsed;
    let bracketed = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let port = host.strip_prefix(&bracketed).unwrap_or_default();
    let other_scheme = if scheme == "https" { "http" } else { "https" };
    let number: u16 = port.trim_start_matches(':').parse().unwrap_or(443);
    let other_port = if number == u16::MAX { 1 } else { number + 1 };
    let is_name = name.parse::<IpAddr>().is_err();
    let mut near = vec![
        (format!("{scheme}://{bracketed}:{other_port}"), "other port"),
        (format!("{other_scheme}://{host}"), "other scheme"),
        (format!("{scheme}://{host}").to_ascii_uppercase(), "upper case"),
        (format!("{scheme}://{host}/page"), "with a path"),
    ];
    if is_name {
        near.push((format!("{scheme}://{name}.{port}"), "trailing dot"));
        near.push((format!("{scheme}://sub.{name}{port}"), "sub-domain"));
    }
    match name.as_str() {
        "localhost" => near.push((format!("{scheme}://127.0.0.1{port}"), "address for name")),
        "127.0.0.1" => near.push((format!("{scheme}://localhost{port}"), "name for address")),
        _ => {}
    }
    let candidate = |(origin, what)| Candidate { origin: Some(origin), why: Why::NearMiss(what) };
    near.into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_differ_by_one_thing() {
        let texts = |origin| near(origin).into_iter().filter_map(|c| c.origin).collect::<Vec<_>>();
        assert_eq!(
            texts("http://localhost:5173"),
            [
                "http://localhost:5174",
                "https://localhost:5173",
                "HTTP://LOCALHOST:5173",
                "http://localhost:5173/page",
                "http://localhost.:5173",
                "http://sub.localhost:5173",
                "http://127.0.0.1:5173",
            ]
        );
        assert_eq!(texts("https://[::1]")[0], "https://[::1]:444");
        assert_eq!(texts("null"), [""; 0]);
    }

    #[test]
    fn without_a_name_the_place_itself_is_tried() {
        let target = Target::parse("wss://gw:7", None).unwrap();
        let all = all(Vec::new(), &target, true);
        assert_eq!(all[0].origin.as_deref(), Some("https://gw:7"));
        assert_eq!(all.last().unwrap().origin, None);
        let given = vec![Candidate { origin: Some("https://a".into()), why: Why::Given }];
        assert_eq!(super::all(given, &target, false).len(), 1);
    }
}
