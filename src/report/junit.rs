//! Sessions as test cases, in the XML that build servers read; plain HTTP is a suite of its own.

use std::fmt;

use super::clean::clean;
use super::clock::Clock;
use super::words::verdict_in_words;
use crate::session::{Kind, Record, Step, Verdict};

/// Collects sessions; displayed, it is the file.
#[derive(Clone, Debug, Default)]
pub struct JUnit {
    sessions: Suite,
    http: Suite,
}

#[derive(Clone, Debug, Default)]
struct Suite {
    cases: String,
    tests: usize,
    failures: usize,
    seconds: f64,
}

impl JUnit {
    pub fn add(&mut self, record: &Record, clock: &Clock) {
        if record.kind == Kind::Http {
            self.http.add(record, clock);
        } else {
            self.sessions.add(record, clock);
        }
    }
}

impl Suite {
    fn add(&mut self, record: &Record, clock: &Clock) {
        let path = record.request.as_ref().map_or("", |request| request.path());
        let name = format!("{} {} {path}", record.id, clock.seconds(record.started_at));
        let seconds = record.duration_ms.millis() / 1000.0;
        self.tests += 1;
        self.seconds += seconds;
        let case = format!(
            "    <testcase classname=\"wstap.{}\" name=\"{}\" time=\"{seconds:.3}\"",
            record.kind.name(),
            escaped(name.trim_end())
        );
        self.cases.push_str(&case);
        match record.verdict.as_ref().filter(|verdict| verdict.failed) {
            Some(verdict) => {
                self.failures += 1;
                let failure = format!(
                    ">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>\n",
                    escaped(&format!("{}.{}", verdict.layer.name(), verdict.cause)),
                    escaped(&verdict.summary),
                    escaped(&body(verdict))
                );
                self.cases.push_str(&failure);
            }
            None => self.cases.push_str("/>\n"),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { tests, failures, seconds, cases } = self;
        writeln!(
            f,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" time=\"{seconds:.3}\">"
        )?;
        writeln!(f, "{cases}  </testsuite>")
    }
}

impl fmt::Display for JUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests = self.sessions.tests + self.http.tests;
        let failures = self.sessions.failures + self.http.failures;
        writeln!(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(f, "<testsuites tests=\"{tests}\" failures=\"{failures}\">")?;
        self.sessions.write(f, "sessions")?;
        if self.http.tests > 0 {
            self.http.write(f, "plain HTTP")?;
        }
        writeln!(f, "</testsuites>")
    }
}

/// The verdict in words and what to do, line by line.
fn body(verdict: &Verdict) -> String {
    let mut lines = vec![verdict_in_words(verdict)];
    for (at, Step { text, command, config }) in verdict.next.iter().enumerate() {
        lines.push(format!("{}. {}", at + 1, clean(text)));
        lines.extend(command.iter().map(|command| format!("   $ {}", clean(command))));
        lines.extend(config.iter().map(|config| format!("   set {}", clean(config))));
    }
    lines.join("\n")
}

/// Text as XML 1.0 takes it: what it forbids even as a reference is written out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => out.extend(character.escape_unicode()),
            other => {
                out.push_str(&clean(other.encode_utf8(&mut [0; 4])));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_the_xml() {
        assert_eq!(
            escaped("a<b>\"c\" & 'd'\u{1b}[2J\u{ffff}\nü"),
            "a&lt;b&gt;&quot;c&quot; &amp; 'd'\\u{1b}[2J\\u{ffff}\nü"
        );
    }
}
