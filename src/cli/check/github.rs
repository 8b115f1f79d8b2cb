//! Workflow commands of GitHub Actions, which become annotations on the lines:
//! https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands

use super::Finding;
use crate::compile::Severity;

pub fn write(findings: &[Finding]) -> String {
    findings.iter().map(one).collect()
}

fn one(finding: &Finding) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let help = finding.help.iter().map(|help| format!("\n{help}")).collect::<String>();
    format!(
        "::{command} file={},line={},col={},endColumn={},title={}::{}\n",
        property(&finding.file),
        finding.line,
        finding.column,
        finding.end_column,
        property(finding.code.id()),
        data(&format!("{}{}{help}", finding.place(), finding.message)),
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
