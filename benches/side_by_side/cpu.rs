//! CPU time and memory of a process and of all its children, from /proc.

use std::collections::HashMap;
use std::fs;

use anyhow::Context as _;

/// `root` and all its descendants.
fn process_tree(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(pid) = tree.get(at) {
        tree.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    Ok(tree)
}

/// `None` for a process that has gone meanwhile.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself hold spaces and parentheses.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// On-CPU nanoseconds of all threads of the tree. A thread that has ended takes its time with it.
pub(crate) fn on_cpu_ns(root: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in process_tree(root)? {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let Ok(line) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let first = line.split(' ').next().context("an empty schedstat")?;
            sum += first.parse::<u64>().context("an odd schedstat")?;
        }
    }
    Ok(sum)
}

/// Proportional set size of the tree in bytes.
pub(crate) fn pss_bytes(root: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in process_tree(root)? {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let kilobytes = text
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|value| value.trim().strip_suffix(" kB"))
            .context("no Pss in smaps_rollup")?;
        sum += kilobytes.trim().parse::<u64>()? * 1024;
    }
    Ok(sum)
}
