//! Causes and close codes as pages: what they mean and what to do.

use super::page::Page;
use crate::session::{Layer, Step};

/// Collects what is to be said.
#[derive(Debug, Default)]
pub struct Advice(Page);

impl Advice {
    /// A cause, with the steps against it.
    pub fn cause(&mut self, cause: &str, layer: Layer, meaning: &str, next: &[Step]) {
        self.0.part(&format!("{cause}  [{}]", layer.name()));
        self.0.line(meaning);
        steps(&mut self.0, next);
    }

    /// A close code, and what it says by itself.
    pub fn code(&mut self, code: u16, name: &str, meaning: &str) {
        self.0.part(&format!("Close {code}  ({name})"));
        self.0.line(meaning);
    }

    /// What else comes with the code.
    pub fn others<'a>(&mut self, causes: impl Iterator<Item = &'a str>) {
        let causes = causes.collect::<Vec<_>>().join(", ");
        if !causes.is_empty() {
            self.0.line(&format!("Also comes with: {causes}"));
        }
    }

    pub fn finish(self) -> String {
        self.0.finish()
    }
}

/// What to do, in order.
pub(super) fn steps(page: &mut Page, next: &[Step]) {
    for (at, Step { text, command, config }) in next.iter().enumerate() {
        page.line(&format!("{}. {text}", at + 1));
        if let Some(command) = command {
            page.under(&format!("$ {command}"));
        }
        if let Some(config) = config {
            page.under(&format!("set {config}"));
        }
    }
}
