//! Active checks of one gateway: is the path to it open (`probe`), which origins does it take
//! (`origins`), and what does a proxy do to upgrades (`front`). A check plays a client, watches
//! itself with the tap's own eyes, and is judged by the tap's own rules.

mod credentials;
mod eye;
mod front;
mod http;
mod line;
mod origins;
mod place;
mod probe;
mod step;
mod target;
mod visit;
mod watched;

pub use credentials::{Credentials, Source};
pub use front::{
    CouldNotRun, Deviation, FrontReport, FrontSettings, Performed, Proxy, Recognised, Reload,
    Severity, front, front_junit, front_markdown, front_table,
};
pub use origins::{
    Agreement, Candidate, Decider, ExpectError, Expectation, Expected, OriginSettings,
    OriginsReport, Row, Why, origins, table,
};
pub use place::Place;
pub use probe::{
    Comparison, Counting, DeviceChoice, Difference, Holding, ProbeReport, ProbeSettings, both,
    compare, junit, ladder, markdown, probe,
};
pub use step::{Finding, Outcome, Step};
pub use target::{Reach, Target, TargetError};
