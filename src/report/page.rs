//! A page of text in sections of labelled rows. The one place where text from the wire meets
//! styles: everything passes through `clean` on its way in.

use anstyle::Style;

use super::clean::clean;

const TITLE: Style = Style::new().bold();
const LABEL: Style = Style::new().dimmed();

/// Rows stand in one column, wide enough for the longest label.
const LABELS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A line that stands out.
    pub(super) fn headline(&mut self, text: &str) {
        self.push(&format!("{TITLE}{}{TITLE:#}", clean(text)));
    }

    /// Begins a section, set off by an empty line.
    pub(super) fn section(&mut self, title: &str) {
        self.push("");
        self.headline(title);
    }

    /// Begins a part of a page that may have nothing before it.
    pub(super) fn part(&mut self, title: &str) {
        if self.text.is_empty() {
            self.headline(title);
        } else {
            self.section(title);
        }
    }

    /// A labelled line; nothing when there is nothing to say.
    pub(super) fn row(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            let label = clean(label);
            // A label that fills its column must not touch the value.
            let apart = if label.chars().count() < LABELS { "" } else { "  " };
            self.push(&format!("  {LABEL}{label:<LABELS$}{LABEL:#}{apart}{}", clean(value)));
        }
    }

    /// A labelled line for what may be absent.
    pub(super) fn maybe(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }

    /// A line without a label.
    pub(super) fn line(&mut self, text: &str) {
        self.push(&format!("  {}", clean(text)));
    }

    /// A line that belongs to the one above.
    pub(super) fn under(&mut self, text: &str) {
        self.push(&format!("      {}", clean(text)));
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}
