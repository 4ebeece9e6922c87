//! How much memory the tap uses, by the kernel's account.

use std::fs;

use crate::support::tap::Wstap;

/// The largest resident size so far, in bytes.
pub(crate) fn peak(tap: &Wstap) -> u64 {
    of_status(tap, "VmHWM:")
}

/// Fails when the peak has grown by more than `by` since it was `before`.
pub(crate) fn stays_flat(tap: &Wstap, before: u64, by: u64) {
    let now = peak(tap);
    assert!(now <= before + by, "grew from {} KiB to {} KiB", before >> 10, now >> 10);
}

fn of_status(tap: &Wstap, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", tap.child.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
