//! Surveys: what is asked, in every language, and the fields of the answer.

use super::{
    Code,
    content::tag,
    report::{Report, instead},
    world::{field as named, values},
};
use crate::{
    api::touchpoint::{Outbound, Question, QuestionKind, Survey as SurveySpec},
    expression::{Field, Type},
    survey::{self, Survey},
};
use std::collections::BTreeMap;

/// Characters of a question, in any language.
const LONGEST: usize = 512;

/// The field of TOUCHPOINT/answered that has the answer to a question: customers may leave any out.
pub fn field(question: &Question) -> Field {
    let ty = match question.kind {
        QuestionKind::NPS | QuestionKind::CSAT | QuestionKind::CES => Type::Int,
        QuestionKind::Choice => values(question.options.iter().flatten().map(|option| option.as_str())),
        QuestionKind::Text => Type::TEXT,
    };
    named(question.name.as_str(), ty, true)
}

/// Compiles a survey with its translations; what is wrong with them is in the report.
pub fn survey(report: &mut Report, spec: &SurveySpec, outbound: &Outbound) -> Survey {
    let mut questions = vec![];
    for (n, question) in spec.questions.iter().enumerate() {
        plain(
            report,
            &format!("spec.outbound.survey.questions[{n}].ask"),
            question.ask.as_str(),
        );
        questions.push(survey::Question {
            name: question.name.to_string(),
            kind: question.kind,
            ask: question.ask.to_string(),
            options: question.options.iter().flatten().map(ToString::to_string).collect(),
        });
    }
    let mut translations: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, asks) in outbound.translations.iter().flatten() {
        let path = format!("spec.outbound.translations.{name}");
        let Some(tag) = tag(
            report,
            &path,
            name,
            translations.contains_key(&name.to_ascii_lowercase()),
        ) else {
            continue;
        };
        for (question, ask) in asks {
            let path = format!("{path}.{question}");
            let known = spec.questions.iter().map(|question| question.name.as_str());
            if !known.clone().any(|name| name == question) {
                let help = instead(question, known, "add it to survey.questions");
                report.error(
                    Code::UnknownQuestion,
                    &path,
                    format!("the survey has no question '{question}' to translate"),
                    help,
                );
            }
            plain(report, &path, ask.as_str());
            translations
                .entry(tag.clone())
                .or_default()
                .insert(question.clone(), ask.as_str().to_owned());
        }
    }
    Survey {
        questions,
        translations,
    }
}

/// A question is no template: it stands on a page that is not made for one customer.
fn plain(report: &mut Report, path: &str, ask: &str) {
    if ask.contains("{{") || ask.contains("{%") || ask.contains("${") {
        let help = "write it out: the page of a survey knows nothing of the customer".to_owned();
        report.error(Code::QuestionIsTemplate, path, "a question is plain text", help);
    } else if ask.chars().count() > LONGEST {
        let message = format!("a question has at most {LONGEST} characters");
        report.error(Code::QuestionTooLong, path, message, "make it shorter".to_owned());
    }
}
