//! Collects what is wrong with one object while it is compiled.

use super::{Code, Diagnostic, Object, Severity};
use crate::{
    expression::{self, diagnostic::did_you_mean},
    template::{self, Mistake},
};
use std::{fmt::Display, ops::Range};

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

    /// What must be put right before the object is put to work.
    pub fn error(
        &mut self,
        code: Code,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(code, Severity::Error, path.into(), None, message.into(), help.into());
    }

    pub fn warning(
        &mut self,
        code: Code,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(code, Severity::Warning, path.into(), None, message.into(), help.into());
    }

    /// What is worth a thought.
    pub fn note(
        &mut self,
        code: Code,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(code, Severity::Note, path.into(), None, message.into(), help.into());
    }

    fn add(
        &mut self,
        code: Code,
        severity: Severity,
        path: String,
        part: Option<Range<usize>>,
        message: String,
        help: Option<String>,
    ) {
        debug_assert!(
            severity == code.severity(),
            "{code} is registered with another severity"
        );
        let diagnostic = Diagnostic {
            code,
            severity,
            object: self.object.clone(),
            path,
            part,
            message,
            help,
        };
        // A template may make the same mistake several times in a line: it is told where it is made first.
        let same = |one: &Diagnostic| {
            (one.code, &one.path, &one.message, &one.help)
                == (diagnostic.code, &diagnostic.path, &diagnostic.message, &diagnostic.help)
        };
        if !self.found.iter().any(same) {
            self.found.push(diagnostic);
        }
    }

    /// The mistakes of one expression; `source` is what they point into.
    pub fn expression(&mut self, path: &str, source: &str, mistakes: Vec<expression::Diagnostic>) {
        if source.trim().is_empty() {
            let help = "YAML takes a leading ! for a tag: put the expression in quotes".to_owned();
            return self.error(Code::EmptyExpression, path, "an expression must not be empty", help);
        }
        for mistake in mistakes {
            let message = format!("{} in `{}`", mistake.message, excerpt(source, &mistake.span));
            let part = Some(mistake.span).filter(|span| !span.is_empty());
            let code = of_expression(mistake.code);
            self.add(code, code.severity(), path.into(), part, message, mistake.help);
        }
    }

    /// The mistakes of one template.
    pub fn template(&mut self, path: &str, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            let code = of_template(mistake.code);
            let message = format!("line {}: {}", mistake.line, mistake.message);
            self.add(code, code.severity(), path.into(), mistake.span, message, mistake.help);
        }
    }

    pub fn failed(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }
}

fn of_expression(code: expression::Code) -> Code {
    match code {
        expression::Code::Syntax => Code::ExpressionSyntax,
        expression::Code::TooLarge => Code::ExpressionTooLarge,
        expression::Code::UnknownName => Code::UnknownName,
        expression::Code::UnknownFunction => Code::UnknownFunction,
        expression::Code::WrongType => Code::WrongType,
        expression::Code::WrongArgument => Code::WrongArgument,
        expression::Code::MayBeMissing => Code::MayBeMissing,
        expression::Code::NeverEqual => Code::NeverEqual,
        expression::Code::NotInCel => Code::NotInCel,
    }
}

fn of_template(code: template::Code) -> Code {
    match code {
        template::Code::Syntax => Code::TemplateSyntax,
        template::Code::TooLarge => Code::TemplateTooLarge,
        template::Code::UnknownName => Code::TemplateName,
        template::Code::UnknownField => Code::TemplateField,
        template::Code::DynamicAccess => Code::DynamicAccess,
        template::Code::UnknownFilter => Code::UnknownFilter,
        template::Code::UnknownFunction => Code::TemplateFunction,
        template::Code::LinkAddress => Code::LinkAddress,
        template::Code::NameIsTaken => Code::NameIsTaken,
        template::Code::Include => Code::TemplateInclude,
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
