//! What a code means, at length: for `journey explain` and for docs/diagnostics.md.

use super::{Class, Code};

/// One code, as a page.
pub fn explain(code: Code) -> String {
    let indented = |yaml: &str| yaml.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "{code}: {} ({}, {})\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}",
        code.title(),
        code.severity().name(),
        code.class().name(),
        code.why(),
        indented(code.bad()),
        indented(code.good()),
    )
}

/// All codes, a line each.
pub fn list() -> String {
    let line = |code: &Code| format!("{code}  {:7}  {}\n", code.severity().name(), code.title());
    Code::ALL.iter().map(line).collect()
}

/// docs/diagnostics.md.
pub fn document() -> String {
    let mut text = "# Diagnostics\n\nWhat `journey check` says, and the operator in conditions: each mistake has a code that never changes its meaning. \
        `journey explain JNY020` prints an entry of this page.\n\n\
        An error keeps an object from being put to work; a warning is most likely not what is meant; a note is worth a thought. \
        The class decides which condition an error enters: Reference is ResolvedRefs, Policy is PolicyCompliant, the others are Accepted.\n\n\
        | Code | Class | Severity | Mistake |\n|---|---|---|---|\n"
        .to_owned();
    for code in Code::ALL {
        let id = code.id();
        text.push_str(&format!(
            "| [{id}](#{}) | {} | {} | {} |\n",
            id.to_lowercase(),
            code.class().name(),
            code.severity().name(),
            code.title()
        ));
    }
    for code in Code::ALL {
        text.push_str(&format!(
            "\n## {code}\n\n**{}.** {}\n\nWrong:\n\n```yaml\n{}\n```\n\nRight:\n\n```yaml\n{}\n```\n",
            capitalized(code.title()),
            code.why(),
            code.bad(),
            code.good()
        ));
    }
    text
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Shape => "Shape",
            Self::Reference => "Reference",
            Self::Expression => "Expression",
            Self::Template => "Template",
            Self::Schema => "Schema",
            Self::Value => "Value",
            Self::Flow => "Flow",
            Self::Policy => "Policy",
        }
    }
}
