//! For people: each finding with its line, what to do, and a count at the end.

use super::Finding;
use crate::compile::Severity;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Characters of a line that are looked at; what is shown of them is fitted to a page.
const WIDTH: usize = 10_000;

pub fn write(findings: &[Finding], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, &renderer));
        out.push_str("\n\n");
    }
    out.push_str(&summary(findings));
    out
}

fn one(finding: &Finding, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let (title, place) = (printable(&finding.message), printable(&finding.place()));
    let line = finding.source.as_deref().map(printable).unwrap_or_default();
    let shown: String = line.chars().take(WIDTH).collect();
    let byte = |column: usize| shown.char_indices().nth(column - 1).map_or(shown.len(), |(at, _)| at);
    let span = byte(finding.column)..byte(finding.end_column);
    let place = place.trim_end_matches(": ");
    let mark = AnnotationKind::Primary.span(span);
    let snippet = Snippet::source(shown.as_str())
        .path(finding.file.as_str())
        .line_start(finding.line)
        .annotation(if place.is_empty() { mark } else { mark.label(place) });
    let mut group = level
        .primary_title(title.as_str())
        .id(finding.code.id())
        .element(snippet);
    let help = finding.help.as_deref().map(printable);
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// What comes from files may hold anything, and terminals obey control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn summary(findings: &[Finding]) -> String {
    let counted = |severity: Severity, what: &str| {
        let n = findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{n} {what}{}", if n == 1 { "" } else { "s" })
    };
    let mut out = format!(
        "{}, {}",
        counted(Severity::Error, "error"),
        counted(Severity::Warning, "warning")
    );
    if findings.iter().any(|finding| finding.severity == Severity::Note) {
        out.push_str(&format!(", {}", counted(Severity::Note, "note")));
    }
    if let Some(first) = findings.first() {
        out.push_str(&format!("; journey explain {} says more", first.code));
    }
    out.push('\n');
    out
}
