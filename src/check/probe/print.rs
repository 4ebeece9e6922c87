//! A probe as text for people, as Markdown for a ticket, as XML for a pipeline.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{Comparison, Outcome, ProbeReport, Step};
use crate::report::{clean, escaped};
use crate::session;

const FAILED: Style = AnsiColor::Red.on_default().bold();
const OK: Style = AnsiColor::Green.on_default();
const INFO: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The steps from the top to the first that is broken, and what to do about it.
pub fn ladder(report: &ProbeReport) -> String {
    let mut out = String::new();
    let head = format!(
        "{BOLD}{}{BOLD:#}  {}, with {}\nfrom {}\n\n",
        clean(&report.target),
        report.started_at,
        report.credentials,
        clean(&report.place.shown())
    );
    out.push_str(&head);
    let mut told = false;
    let mut waiting: Vec<&str> = Vec::new();
    for step in &report.steps {
        if step.verdict == Outcome::Skipped && told {
            waiting.push(step.name);
        } else if step.is_failed() && !told {
            told = true;
            broken(&mut out, step);
        } else {
            rung(&mut out, step);
        }
    }
    if !waiting.is_empty() {
        let _written = writeln!(out, "  {QUIET}not come to: {}{QUIET:#}", waiting.join(", "));
    }
    let line = match report.broken() {
        None => format!("\n{OK}the way is open{OK:#}, found in {}\n", report.took_ms),
        Some(step) => {
            format!("\n{FAILED}{} is broken{FAILED:#}, found in {}\n", step.name, report.took_ms)
        }
    };
    out.push_str(&line);
    out
}

fn rung(out: &mut String, step: &Step) {
    let style = style(step.verdict);
    let word = word(step.verdict);
    let took = took(step);
    // Writing to a String cannot fail.
    let _written = writeln!(
        out,
        "  {style}{word:7}{style:#} {:10} {took:>9}  {}",
        step.name,
        clean(&step.detail)
    );
}

/// The first broken step, set apart, with what to do.
fn broken(out: &mut String, step: &Step) {
    out.push('\n');
    rung(out, step);
    if let Some(finding) = &step.finding {
        let _written =
            writeln!(out, "          layer {}, cause {}", finding.layer.name(), finding.cause);
        for (number, next) in finding.next.iter().enumerate() {
            let _written = writeln!(out, "          {}. {}", number + 1, clean(&in_words(next)));
        }
    }
    out.push('\n');
}

/// A thing to do in one line.
fn in_words(next: &session::Step) -> String {
    let mut line = next.text.clone();
    for more in [&next.command, &next.config].into_iter().flatten() {
        line.push_str(": ");
        line.push_str(more);
    }
    line
}

const fn word(verdict: Outcome) -> &'static str {
    match verdict {
        Outcome::Ok => "ok",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "-",
        Outcome::Info => "note",
    }
}

const fn style(verdict: Outcome) -> Style {
    match verdict {
        Outcome::Ok => OK,
        Outcome::Failed => FAILED,
        Outcome::Skipped => QUIET,
        Outcome::Info => INFO,
    }
}

fn took(step: &Step) -> String {
    step.took_ms.map(|took| took.to_string()).unwrap_or_default()
}

/// Both ladders, and what differs.
pub fn both(comparison: &Comparison) -> String {
    let mut out = format!("{}\n{}", ladder(&comparison.first), ladder(&comparison.second));
    if comparison.differences.is_empty() {
        out.push_str("\nnothing differs\n");
        return out;
    }
    out.push_str("\nwhat differs:\n");
    for difference in &comparison.differences {
        let _written = writeln!(
            out,
            "  {:10} {:14} {}  |  {}",
            difference.step,
            difference.what,
            clean(&difference.first),
            clean(&difference.second)
        );
    }
    out
}

/// A table to paste into a ticket.
pub fn markdown(report: &ProbeReport) -> String {
    let mut out = format!(
        "### wstap probe `{}`\n\n{}, with {}; from {}\n\n| step | verdict | took | detail |\n|---|---|---|---|\n",
        cell(&report.target),
        report.started_at,
        report.credentials,
        cell(&report.place.shown())
    );
    for step in &report.steps {
        let mark = if step.is_failed() { "**failed**" } else { step.verdict.name() };
        let _written =
            writeln!(out, "| {} | {mark} | {} | {} |", step.name, took(step), cell(&step.detail));
    }
    if let Some(step) = report.broken()
        && let Some(finding) = &step.finding
    {
        let (layer, cause) = (finding.layer.name(), &finding.cause);
        let _written =
            writeln!(out, "\n**{}** is broken: layer {layer}, cause `{cause}`\n", step.name);
        for (number, next) in finding.next.iter().enumerate() {
            let _written = writeln!(out, "{}. {}", number + 1, cell(&in_words(next)));
        }
    }
    out
}

/// Text that stays inside of its cell.
fn cell(text: &str) -> String {
    clean(text).replace('|', "\\|").replace('<', "&lt;")
}

/// One suite for each report, one case for each step.
pub fn junit(reports: &[&ProbeReport]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for report in reports {
        let count = |verdict| report.steps.iter().filter(|step| step.verdict == verdict).count();
        let _written = writeln!(
            out,
            "  <testsuite name=\"wstap probe {}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" \
             time=\"{:.3}\" timestamp=\"{}\">",
            escaped(&report.target),
            report.steps.len(),
            count(Outcome::Failed),
            count(Outcome::Skipped),
            report.took_ms.millis() / 1000.0,
            report.started_at,
        );
        for step in &report.steps {
            case(&mut out, step);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, step: &Step) {
    let time = step.took_ms.unwrap_or_default().millis() / 1000.0;
    let open = format!(
        "    <testcase classname=\"wstap.probe\" name=\"{}\" time=\"{time:.3}\"",
        step.name
    );
    let detail = escaped(&step.detail);
    let _written = match step.verdict {
        Outcome::Ok | Outcome::Info => {
            writeln!(out, "{open}><system-out>{detail}</system-out></testcase>")
        }
        Outcome::Skipped => writeln!(out, "{open}><skipped message=\"{detail}\"/></testcase>"),
        Outcome::Failed => {
            let (kind, next) = step.finding.as_ref().map_or_else(Default::default, |finding| {
                let next: Vec<String> = finding.next.iter().map(in_words).collect();
                (format!("{}.{}", finding.layer.name(), finding.cause), next.join("\n"))
            });
            writeln!(
                out,
                "{open}><failure type=\"{kind}\" message=\"{detail}\">{}</failure></testcase>",
                escaped(&next)
            )
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::step::Finding;
    use crate::check::{Place, Step};
    use crate::session::Layer;
    use crate::session::{Offset, Wall};

    fn report() -> ProbeReport {
        let next = ["do <this>"];
        let finding = Finding::own(Layer::Auth, "token_mismatch", &next);
        ProbeReport {
            wstap: "0",
            target: "ws://a".to_owned(),
            started_at: Wall(0),
            took_ms: Offset(1000),
            place: Place::default(),
            credentials: "a token".to_owned(),
            steps: vec![
                Step::ok("tcp", Offset(10), "fine"),
                Step::failed("connect", Offset(20), "no | \"way\"\u{1b}[31m", finding),
                Step::skipped("call", "not come to"),
            ],
            broken: Some("connect"),
            layer: Layer::Auth,
        }
    }

    #[test]
    fn the_broken_step_stands_apart_with_what_to_do() {
        let text = anstream::adapter::strip_str(&ladder(&report())).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains("FAILED")).unwrap();
        assert_eq!(lines[at - 1], "");
        assert_eq!(lines[at + 1].trim(), "layer auth, cause token_mismatch");
        assert_eq!(lines[at + 2].trim(), "1. do <this>");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn nothing_of_the_wire_breaks_a_table_or_xml() {
        assert!(markdown(&report()).contains("no \\| \"way\""));
        let xml = junit(&[&report()]);
        assert!(xml.contains("failures=\"1\" skipped=\"1\""));
        assert!(
            xml.contains("message=\"no | &quot;way&quot;\\u{1b}[31m\">do &lt;this&gt;<"),
            "{xml}"
        );
        assert!(!xml.contains('\u{1b}'));
    }
}
