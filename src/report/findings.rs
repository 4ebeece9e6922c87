//! Findings as text and JSON.

use super::clean::clean_json;
use super::page::Page;
use super::quantity::count;
use crate::findings::Finding;
use crate::session::SessionId;

/// Sessions named in text; JSON has more.
const NAMED: usize = 6;

/// One line of NDJSON, without its line end.
pub fn finding_line(finding: &Finding) -> serde_json::Result<String> {
    serde_json::to_string(finding).map(clean_json)
}

/// Findings one after the other, each with what to do.
pub fn findings(findings: &[Finding]) -> String {
    let mut page = Page::default();
    for (at, finding) in findings.iter().enumerate() {
        let title = title(finding);
        if at == 0 {
            page.headline(&title);
        } else {
            page.section(&title);
        }
        page.line(&finding.summary);
        for step in &finding.next {
            page.row("do", &step.text);
            page.row("", step.command.as_deref().unwrap_or_default());
            page.row("", step.config.as_deref().unwrap_or_default());
        }
        page.row("sessions", &sessions(finding));
    }
    page.finish()
}

/// The most severe ones in a line each, and how to see all of them.
pub fn findings_in_short(findings: &[Finding], lines: usize, all: &str) -> Vec<String> {
    let mut page = Page::default();
    for finding in findings.iter().take(lines) {
        page.line(&format!("{} {}: {}", finding.severity.name(), finding.slug, finding.summary));
    }
    let mut text: Vec<String> =
        page.finish().lines().map(|line| line.trim_start().to_owned()).collect();
    if !findings.is_empty() {
        let found = count(findings.len() as u64, "finding");
        text.push(format!("{found} over the sessions of this run; all of them: {all}"));
    }
    text
}

fn title(finding: &Finding) -> String {
    let severity = finding.severity.name().to_uppercase();
    format!("{severity}  {}  ({})", finding.slug, finding.confidence.name())
}

fn sessions(finding: &Finding) -> String {
    let ids: Vec<&str> = finding.sessions.iter().rev().take(NAMED).map(SessionId::short).collect();
    let all = finding.numbers.get("sessions").and_then(serde_json::Value::as_u64);
    let more = all.unwrap_or_default().saturating_sub(ids.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", ids.join(" "))
}
