//! The trial as a table for people.

use std::fmt::Write as _;

use super::{ABSENT, Decider, OriginsReport, Row};
use crate::report::clean;

const HEAD: [&str; 5] = ["ORIGIN", "ANSWER", "BY", "WHY TRIED", "REASON"];

/// One row for each origin, then what is to be changed and what was found.
pub fn table(report: &OriginsReport) -> String {
    let mut out = format!(
        "{}  {}\nfrom {}\n\n",
        clean(&report.target),
        report.started_at,
        clean(&report.place.shown())
    );
    let rows: Vec<[String; 5]> = report.rows.iter().map(cells).collect();
    let widths: [usize; 4] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.max().unwrap_or_default().max(HEAD[at].len())
    });
    let head = HEAD.map(str::to_owned);
    for row in std::iter::once(&head).chain(&rows) {
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _written = write!(out, "{cell:width$}  ");
        }
        out.push_str(&row[4]);
        out.push('\n');
    }
    let mut changes: Vec<&String> = Vec::new();
    for change in report.rows.iter().filter_map(|row| row.change.as_ref()) {
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    section(&mut out, "to change:", &changes);
    section(&mut out, "findings:", &report.findings.iter().collect::<Vec<_>>());
    out
}

fn section(out: &mut String, title: &str, lines: &[&String]) {
    if lines.is_empty() {
        return;
    }
    let _written = writeln!(out, "\n{title}");
    for line in lines {
        let _written = writeln!(out, "  {}", clean(line));
    }
}

fn cells(row: &Row) -> [String; 5] {
    let answer = match row.accepted {
        Some(true) => "accepted",
        Some(false) => "refused",
        None => "undecided",
    };
    let by = match &row.server {
        Some(server) if row.by == Decider::Gateway => format!("gateway, behind {server}"),
        Some(server) => format!("{} ({server})", row.by.name()),
        None => row.by.name().to_owned(),
    };
    let reason = match &row.config {
        Some(agreement) => format!("{}; {}", row.reason, agreement.detail),
        None => row.reason.clone(),
    };
    let origin = row.origin.as_deref().unwrap_or(ABSENT);
    [origin, answer, &by, &row.why.shown(), &reason].map(|text| clean(text).into_owned())
}
