//! Collects what is wrong with one object while it is compiled.

use super::{Code, Diagnostic, Object, Severity};
use crate::{
    expression::{self, diagnostic::did_you_mean},
    template::Mistake,
};
use std::fmt::Display;

/// Characters of an expression that a message quotes.
const QUOTED: usize = 60;

#[derive(Debug)]
pub struct Report {
    object: Object,
    pub found: Vec<Diagnostic>,
}

impl Report {
    pub fn new(kind: &str, name: &str) -> Self {
        Self {
            object: Object {
                kind: kind.into(),
                name: name.into(),
            },
            found: vec![],
        }
    }

    pub fn error(
        &mut self,
        code: Code,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(code, Severity::Error, path.into(), message.into(), help.into());
    }

    pub fn warning(
        &mut self,
        code: Code,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(code, Severity::Warning, path.into(), message.into(), help.into());
    }

    fn add(&mut self, code: Code, severity: Severity, path: String, message: String, help: Option<String>) {
        let diagnostic = Diagnostic {
            code,
            severity,
            object: self.object.clone(),
            path,
            message,
            help,
        };
        // A template may make the same mistake several times in a line.
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// The mistakes of one expression; `source` is what they point into.
    pub fn expression(&mut self, path: &str, source: &str, mistakes: Vec<expression::Diagnostic>) {
        if source.trim().is_empty() {
            let help = "YAML takes a leading ! for a tag: put the expression in quotes".to_owned();
            return self.error(Code::Expression, path, "an expression must not be empty", help);
        }
        for mistake in mistakes {
            let message = format!("{} in `{}`", mistake.message, excerpt(source, &mistake.span));
            self.error(Code::Expression, path, message, mistake.help);
        }
    }

    /// The mistakes of one template.
    pub fn template(&mut self, path: &str, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            self.error(
                Code::Template,
                path,
                format!("line {}: {}", mistake.line, mistake.message),
                mistake.help,
            );
        }
    }

    pub fn failed(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }
}

/// The part of an expression around a mistake, on one line.
fn excerpt(source: &str, span: &expression::Span) -> String {
    let all: Vec<(usize, char)> = source
        .char_indices()
        .map(|(at, c)| (at, if c.is_control() { ' ' } else { c }))
        .collect();
    if all.len() <= QUOTED {
        return all.iter().map(|(_, c)| c).collect();
    }
    let start = all.iter().position(|(at, _)| *at >= span.start).unwrap_or(0);
    let from = start.saturating_sub(QUOTED / 3).min(all.len() - QUOTED);
    let middle: String = all[from..from + QUOTED].iter().map(|(_, c)| c).collect();
    format!(
        "{}{middle}{}",
        if from > 0 { "…" } else { "" },
        if from + QUOTED < all.len() { "…" } else { "" }
    )
}

/// "did you mean X?", or what there is where that is little, or what to make.
pub fn instead<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone, otherwise: impl Display) -> String {
    match did_you_mean(word, known.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let known: Vec<&str> = known.into_iter().take(9).collect();
            if known.is_empty() || known.len() > 8 {
                otherwise.to_string()
            } else {
                format!("{otherwise}; there is {}", known.join(", "))
            }
        }
    }
}
