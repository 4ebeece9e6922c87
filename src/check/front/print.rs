//! The report as text for people, as Markdown for a ticket and as `JUnit` for a gate. Pure.

use std::fmt::Write as _;

use super::deviation::Deviation;
use super::report::{FrontReport, Performed};

/// Longer values are cut: the JSON has them whole.
const LONGEST: usize = 160;

/// For a terminal.
pub fn front_table(report: &FrontReport) -> String {
    let mut text = format!("through   {}\nlisten    {}\n", report.through, report.listen);
    put(&mut text, format_args!("from      {}\n", report.place.shown()));
    put(&mut text, format_args!("proxy     {}\n", proxy(report)));
    for found in &report.deviations {
        put(
            &mut text,
            format_args!("\n{:<8}  {}  ({})\n", found.severity.name(), found.slug, found.trial),
        );
        put(&mut text, format_args!("          {}\n", found.says));
        put(&mut text, format_args!("  sent     {}\n", cut(&found.sent)));
        put(&mut text, format_args!("  arrived  {}\n", cut(&found.arrived)));
        if found.severity.is_finding() {
            for (proxy, directive) in &found.directives {
                put(&mut text, format_args!("  {:<7}  {directive}\n", proxy.name()));
            }
        }
    }
    text.push('\n');
    for performed in &report.performed {
        put(&mut text, format_args!("{:<15}  {}\n", performed.trial, outcome(report, performed)));
    }
    put(&mut text, format_args!("\n{}\n", summary(report)));
    text
}

/// For a ticket.
pub fn front_markdown(report: &FrontReport) -> String {
    let mut text = format!(
        "### wstap front: {}\n\nThrough `{}` to `{}`; proxy: {}. Ran at {}.\n\n",
        summary(report),
        report.through,
        report.listen,
        proxy(report),
        report.place.shown()
    );
    if !report.deviations.is_empty() {
        text.push_str("| severity | what | sent | arrived | change |\n|---|---|---|---|---|\n");
    }
    for found in &report.deviations {
        let change: Vec<String> = directives(found);
        put(
            &mut text,
            format_args!(
                "| {} | `{}` {} | {} | {} | {} |\n",
                found.severity.name(),
                found.slug,
                cell(&found.says),
                cell(&cut(&found.sent)),
                cell(&cut(&found.arrived)),
                cell(&change.join("; "))
            ),
        );
    }
    text.push_str("\n| trial | outcome |\n|---|---|\n");
    for performed in &report.performed {
        put(&mut text, format_args!("| {} | {} |\n", performed.trial, outcome(report, performed)));
    }
    text
}

/// For a gate: one case for each trial.
pub fn front_junit(report: &FrontReport) -> String {
    let failed = report.performed.iter().filter(|one| findings(report, one).next().is_some());
    let left_out = report.performed.iter().filter(|one| one.left_out.is_some());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"wstap front {}\" \
         tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        escaped(&report.through),
        report.performed.len(),
        failed.count(),
        left_out.count()
    );
    for performed in &report.performed {
        let seconds = performed.took_ms.map_or(0.0, |took| took.millis() / 1000.0);
        put(
            &mut text,
            format_args!("  <testcase name=\"{}\" time=\"{seconds:.3}\">\n", performed.trial),
        );
        if let Some(why) = &performed.left_out {
            put(&mut text, format_args!("    <skipped message=\"{}\"/>\n", escaped(why)));
        }
        for found in findings(report, performed) {
            let detail = format!(
                "sent: {}\narrived: {}\n{}",
                found.sent,
                found.arrived,
                directives(found).join("\n")
            );
            put(
                &mut text,
                format_args!(
                    "    <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                    found.slug,
                    escaped(&found.says),
                    escaped(&detail)
                ),
            );
        }
        text.push_str("  </testcase>\n");
    }
    text.push_str("</testsuite>\n");
    text
}

fn findings<'a>(
    report: &'a FrontReport,
    performed: &'a Performed,
) -> impl Iterator<Item = &'a Deviation> {
    let of_it = report.deviations.iter().filter(|found| found.trial == performed.trial);
    of_it.filter(|found| found.severity.is_finding())
}

fn directives(found: &Deviation) -> Vec<String> {
    let all = found.directives.iter();
    all.map(|(proxy, directive)| format!("{}: {directive}", proxy.name())).collect()
}

fn outcome(report: &FrontReport, performed: &Performed) -> String {
    if let Some(why) = &performed.left_out {
        return format!("not done: {why}");
    }
    let took = performed.took_ms.unwrap_or_default();
    match findings(report, performed).count() {
        0 => format!("well, {took}"),
        1 => format!("1 finding, {took}"),
        more => format!("{more} findings, {took}"),
    }
}

fn proxy(report: &FrontReport) -> String {
    match &report.proxy {
        Some(known) => format!("{}, by {}", known.proxy.name(), known.by),
        None => "not recognised; --proxy NAME says which directives to name".to_owned(),
    }
}

fn summary(report: &FrontReport) -> String {
    match report.findings {
        0 => "no finding".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(LONGEST - 3).collect();
    format!("{beginning}...")
}

/// One line that does not end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn escaped(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control() || *c == '\n');
    clean.fold(String::new(), |mut all, c| {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            other => all.push(other),
        }
        all
    })
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).unwrap_or_default();
}
