//! Verdicts become conditions: all of them on first sight, kstatus's two only while they hold, the transition time kept while the status is. Pure.

use super::{
    reason::{Reason, Subject},
    secrets::Missing,
};
use crate::{
    clock::Micros,
    compile::{Class, Diagnostic, Severity},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Diagnostics that one message lists; the others are counted.
const LISTED: usize = 5;
/// Bytes of a condition's message at most (the API server takes 32,768).
const LONGEST_MESSAGE: usize = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is said of one subject, before it has a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub subject: Subject,
    pub truth: Truth,
    pub reason: Reason,
    pub message: String,
}

impl Verdict {
    pub fn new(subject: Subject, truth: Truth, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            subject,
            truth,
            reason,
            message: shorten(message.into(), LONGEST_MESSAGE),
        }
    }

    pub fn holds(&self) -> bool {
        self.truth == Truth::True
    }
}

/// Conditions from verdicts. What was said before keeps its transition time while its status is the same.
pub fn conditions(before: &[Condition], verdicts: &[Verdict], generation: Option<i64>, now: Micros) -> Vec<Condition> {
    let condition = |verdict: &Verdict| {
        let status = verdict.truth.name();
        let known = before
            .iter()
            .find(|c| c.type_ == verdict.subject.name() && c.status == status);
        Condition {
            type_: verdict.subject.name().to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.name().to_owned(),
            message: verdict.message.clone(),
            observed_generation: generation,
            last_transition_time: known.map_or_else(|| seconds(now), |c| c.last_transition_time.clone()),
        }
    };
    verdicts.iter().map(condition).collect()
}

/// The API server keeps whole seconds: what is finer would differ from what comes back.
fn seconds(now: Micros) -> Time {
    Time(Timestamp::from_second(now.div_euclid(1_000_000)).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The two or three first conditions of every kind, from what the compiler says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub accepted: Verdict,
    pub resolved: Verdict,
    pub compliant: Verdict,
}

/// Sorts the compiler's errors by the condition that they belong to. Warnings change no condition.
pub fn judge(diagnostics: &[Diagnostic]) -> Judged {
    let mut accepted = Vec::new();
    let mut resolved = Vec::new();
    let mut compliant = Vec::new();
    for diagnostic in diagnostics.iter().filter(|d| d.severity == Severity::Error) {
        match diagnostic.code.class() {
            Class::Reference => resolved.push(diagnostic),
            Class::Policy => compliant.push(diagnostic),
            Class::Shape | Class::Expression | Class::Template | Class::Schema | Class::Value | Class::Flow => {
                accepted.push(diagnostic);
            }
        }
    }
    Judged {
        accepted: verdict(Subject::Accepted, &accepted, Reason::Accepted, "it compiles"),
        resolved: verdict(
            Subject::ResolvedRefs,
            &resolved,
            Reason::Resolved,
            "all that it names is there",
        ),
        compliant: verdict(
            Subject::PolicyCompliant,
            &compliant,
            Reason::Compliant,
            "the policies allow all that it does",
        ),
    }
}

/// What is said of the whole: the first part that does not hold, or `good`. Kstatus's two follow: Reconciling when it will come by itself,
/// Stalled when somebody must do something.
pub fn whole(parts: &[&Verdict], good: Reason, praise: &str) -> Vec<Verdict> {
    let Some(first) = parts.iter().find(|part| !part.holds()) else {
        return vec![Verdict::new(Subject::Ready, Truth::True, good, praise)];
    };
    // The part itself lists everything; here the first line is enough.
    let line = first.message.lines().next().unwrap_or_default();
    let message = format!("{} is {}: {line}", first.subject.name(), first.truth.name());
    let sign = if first.reason.passes() {
        Subject::Reconciling
    } else {
        Subject::Stalled
    };
    vec![
        Verdict::new(Subject::Ready, Truth::False, first.reason, message.clone()),
        Verdict::new(sign, Truth::True, first.reason, message),
    ]
}

/// Adds Secrets that are not there to what is said of references.
pub fn lacking(resolved: Verdict, missing: &[Missing]) -> Verdict {
    let Some(first) = missing.first() else { return resolved };
    let secrets = list(&missing.iter().map(|missing| &missing.diagnostic).collect::<Vec<_>>());
    if resolved.holds() {
        Verdict::new(Subject::ResolvedRefs, Truth::False, first.reason, secrets)
    } else {
        Verdict::new(
            Subject::ResolvedRefs,
            Truth::False,
            resolved.reason,
            format!("{}\n{secrets}", resolved.message),
        )
    }
}

fn verdict(subject: Subject, wrong: &[&Diagnostic], good: Reason, praise: &str) -> Verdict {
    match wrong.first() {
        None => Verdict::new(subject, Truth::True, good, praise),
        Some(first) => Verdict::new(subject, Truth::False, reason(first.code.class()), list(wrong)),
    }
}

fn reason(class: Class) -> Reason {
    match class {
        Class::Shape => Reason::InvalidShape,
        Class::Reference => Reason::ReferenceNotFound,
        Class::Expression => Reason::InvalidExpression,
        Class::Template => Reason::InvalidTemplate,
        Class::Schema => Reason::InvalidSchema,
        Class::Value => Reason::InvalidValue,
        Class::Flow => Reason::InvalidFlow,
        Class::Policy => Reason::PolicyViolated,
    }
}

/// The first diagnostics, each on a line, and how many more there are.
fn list(wrong: &[&Diagnostic]) -> String {
    let mut lines: Vec<String> = wrong.iter().take(LISTED).map(ToString::to_string).collect();
    if wrong.len() > LISTED {
        lines.push(format!("and {} more", wrong.len() - LISTED));
    }
    lines.join("\n")
}

/// Cuts a text to at most `longest` bytes, at a character.
pub fn shorten(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let mut end = longest.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SECOND,
        compile::{Code, Object},
    };

    fn say(truth: Truth, message: &str) -> Verdict {
        Verdict::new(Subject::Ready, truth, Reason::Ready, message)
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let first = conditions(&[], &[say(Truth::True, "one")], Some(1), 10 * SECOND + 5);
        let second = conditions(&first, &[say(Truth::True, "two")], Some(2), 20 * SECOND);
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(
            (second[0].message.as_str(), second[0].observed_generation),
            ("two", Some(2))
        );
        let third = conditions(&second, &[say(Truth::False, "two")], Some(2), 30 * SECOND);
        assert_eq!(third[0].last_transition_time.0.as_second(), 30);
    }

    #[test]
    fn a_condition_that_nobody_speaks_of_any_more_goes_away() {
        let stalled = Verdict::new(Subject::Stalled, Truth::True, Reason::InvalidFlow, "");
        let before = conditions(&[], &[stalled], Some(1), 0);
        assert!(
            conditions(&before, &[say(Truth::True, "")], Some(1), 0)
                .iter()
                .all(|c| c.type_ != "Stalled")
        );
    }

    #[test]
    fn each_mistake_goes_to_the_condition_it_belongs_to_with_path_and_help() {
        let wrong = |code, path: &str| Diagnostic {
            code,
            severity: Severity::Error,
            object: Object {
                kind: "Journey".into(),
                name: "cart".into(),
            },
            path: path.into(),
            part: None,
            message: "no such thing".into(),
            help: Some("make one".into()),
        };
        let judged = judge(&[
            wrong(Code::NotSendable, "spec.steps[0].send.touchpoint"),
            wrong(Code::UnknownPurpose, "spec.steps[1]"),
        ]);
        assert!(judged.accepted.holds());
        assert_eq!(
            (judged.resolved.truth, judged.resolved.reason),
            (Truth::False, Reason::ReferenceNotFound)
        );
        assert_eq!(
            judged.resolved.message,
            "JNY021 Journey cart: spec.steps[0].send.touchpoint: no such thing; make one"
        );
        assert_eq!(judged.compliant.reason, Reason::PolicyViolated);
        let many: Vec<_> = (0..9)
            .map(|i| wrong(Code::NotADuration, &format!("spec.x[{i}]")))
            .collect();
        assert!(judge(&many).accepted.message.ends_with("and 4 more"));
    }

    #[test]
    fn what_is_not_ready_says_why_and_whether_it_will_pass_by_itself() {
        let part = |truth, reason| Verdict::new(Subject::RunnerAvailable, truth, reason, "first\nsecond");
        let signs = |part: &Verdict| {
            whole(&[part], Reason::Ready, "fine")
                .iter()
                .map(|v| v.subject)
                .collect::<Vec<_>>()
        };
        assert_eq!(signs(&part(Truth::True, Reason::RunnerReady)), [Subject::Ready]);
        assert_eq!(
            signs(&part(Truth::False, Reason::RunnerStarting)),
            [Subject::Ready, Subject::Reconciling]
        );
        assert_eq!(
            signs(&part(Truth::False, Reason::RunnerFailing)),
            [Subject::Ready, Subject::Stalled]
        );
        let failing = whole(&[&part(Truth::False, Reason::RunnerFailing)], Reason::Ready, "fine");
        assert_eq!(failing[0].message, "RunnerAvailable is False: first");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        assert_eq!(shorten("äöü".into(), 6), "äöü");
        assert_eq!(shorten("äöüß".into(), 6), "ä…");
    }
}
