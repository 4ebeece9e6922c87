//! Active checks against the stand-in gateway, scripted fronts and broken ways: what each step
//! says, which one is named as broken, and by which layer.
#![expect(clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod hostile;
mod origins;
mod probe;
mod program;
mod stage;
mod trials;
mod way;
