//! Surveys: what is asked, what counts as an answer, and the mail that asks. Pure.
//!
//! The compiler makes a [`Survey`] of a touchpoint; the runner writes the [`mail`] that leads to its page; the gateway serves the page and
//! reads what comes back through [`Survey::answers`]. Knows no HTTP and no store.

pub mod mail;

use crate::{api::touchpoint::QuestionKind, engine::state::Properties, locale, words::Words};
use serde_json::Value;
use std::{collections::BTreeMap, ops::RangeInclusive};

/// Characters of a free answer.
pub const LONGEST_TEXT: usize = 2_000;

/// A survey in all its languages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// In the order in which they are asked; at least one.
    pub questions: Vec<Question>,
    /// By tag (in lower case) and question: what it asks in that language.
    pub translations: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The field of TOUCHPOINT/answered.
    pub name: String,
    pub kind: QuestionKind,
    pub ask: String,
    /// Of a Choice.
    pub options: Vec<String>,
}

impl Question {
    /// The answers of a scale; None: it is none.
    pub fn scale(&self) -> Option<RangeInclusive<i64>> {
        match self.kind {
            QuestionKind::NPS => Some(0..=10),
            QuestionKind::CSAT => Some(1..=5),
            QuestionKind::CES => Some(1..=7),
            QuestionKind::Choice | QuestionKind::Text => None,
        }
    }

    /// What the ends of the scale mean.
    pub fn ends(&self, words: &Words) -> Option<[&'static str; 2]> {
        match self.kind {
            QuestionKind::NPS => Some(words.nps),
            QuestionKind::CSAT => Some(words.csat),
            QuestionKind::CES => Some(words.ces),
            QuestionKind::Choice | QuestionKind::Text => None,
        }
    }

    /// The answer that a text stands for; `Ok(None)`: none was given.
    pub fn answer(&self, text: &str) -> Result<Option<Value>, Wrong> {
        match self.kind {
            QuestionKind::NPS | QuestionKind::CSAT | QuestionKind::CES => match text.trim() {
                "" => Ok(None),
                text => text
                    .parse::<i64>()
                    .ok()
                    .filter(|number| self.scale().is_some_and(|scale| scale.contains(number)))
                    .map(|number| Some(Value::from(number)))
                    .ok_or(Wrong::NotOffered),
            },
            QuestionKind::Choice if text.is_empty() => Ok(None),
            QuestionKind::Choice => match self.options.iter().any(|option| option == text) {
                true => Ok(Some(Value::from(text))),
                false => Err(Wrong::NotOffered),
            },
            QuestionKind::Text => {
                // Forms send lines as CR LF.
                let text = text.replace("\r\n", "\n").replace('\r', "\n");
                let text = text.trim();
                if text.chars().count() > LONGEST_TEXT {
                    return Err(Wrong::TooLong);
                }
                let clean: String = text
                    .chars()
                    .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
                    .collect();
                Ok((!clean.is_empty()).then(|| Value::from(clean)))
            }
        }
    }
}

/// Why what came is no answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    NotOffered,
    TooLong,
}

/// Why a form is not taken: a question that is wrongly answered, or nothing that is answered at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    Nothing,
    /// By the question's name.
    Wrong(BTreeMap<String, Wrong>),
}

impl Survey {
    /// What a question asks in the closest language that there is.
    pub fn ask<'a>(&'a self, question: &'a Question, locale: Option<&str>) -> &'a str {
        locale::closest(&self.translations, locale)
            .into_iter()
            .find_map(|asks| asks.get(&question.name))
            .unwrap_or(&question.ask)
    }

    /// The language a page of this survey is in, for `lang`: that of its first question, as far as it is known.
    pub fn language(&self, locale: Option<&str>) -> Option<String> {
        let first = self.questions.first()?;
        let speaks = |tag: &String| {
            self.translations
                .get(tag)
                .is_some_and(|asks| asks.contains_key(&first.name))
        };
        locale.into_iter().flat_map(locale::ranges).find(speaks)
    }

    /// The properties of TOUCHPOINT/answered: a field for each question that is answered. What the form has besides is left out; of a field
    /// given twice the first counts.
    pub fn answers(&self, form: &[(String, String)]) -> Result<Properties, Unanswered> {
        let (mut answers, mut wrong) = (Properties::new(), BTreeMap::new());
        for question in &self.questions {
            let Some((_, text)) = form.iter().find(|(name, _)| *name == question.name) else {
                continue;
            };
            match question.answer(text) {
                Ok(Some(answer)) => {
                    answers.insert(question.name.clone(), answer);
                }
                Ok(None) => {}
                Err(why) => {
                    wrong.insert(question.name.clone(), why);
                }
            }
        }
        if !wrong.is_empty() {
            Err(Unanswered::Wrong(wrong))
        } else if answers.is_empty() {
            Err(Unanswered::Nothing)
        } else {
            Ok(answers)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn survey() -> Survey {
        let question = |name: &str, kind, ask: &str, options: &[&str]| Question {
            name: name.into(),
            kind,
            ask: ask.into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        };
        Survey {
            questions: vec![
                question("score", QuestionKind::CSAT, "How happy are you?", &[]),
                question("why", QuestionKind::Text, "Why?", &[]),
                question(
                    "found",
                    QuestionKind::Choice,
                    "How did you find us?",
                    &["Friends", "Search & <more>"],
                ),
            ],
            translations: [(
                "de".to_owned(),
                [("score".to_owned(), "Wie zufrieden sind Sie?".to_owned())].into(),
            )]
            .into(),
        }
    }

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_answer_is_of_its_questions_type_and_what_is_left_out_is_missing() {
        for (fields, answers) in [
            (vec![("score", "4")], json!({"score": 4})),
            (
                vec![("score", "4"), ("score", "1"), ("other", "x")],
                json!({"score": 4}),
            ),
            (
                vec![("score", ""), ("why", " Too slow.\r\nReally.\u{7} ")],
                json!({"why": "Too slow.\nReally."}),
            ),
            (vec![("found", "Friends"), ("why", "  ")], json!({"found": "Friends"})),
        ] {
            assert_eq!(Value::Object(survey().answers(&form(&fields)).unwrap()), answers);
        }
    }

    #[test]
    fn what_was_not_offered_is_no_answer() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        for (fields, why) in [
            (vec![("score", "6")], Some(Wrong::NotOffered)),
            (vec![("score", "0")], Some(Wrong::NotOffered)),
            (vec![("score", "4.5")], Some(Wrong::NotOffered)),
            (vec![("found", "friends")], Some(Wrong::NotOffered)),
            (vec![("why", long.as_str())], Some(Wrong::TooLong)),
            (vec![], None),
            (vec![("why", ""), ("other", "1")], None),
        ] {
            let wrong = survey().answers(&form(&fields)).unwrap_err();
            match why {
                Some(why) => assert_eq!(wrong, Unanswered::Wrong([(fields[0].0.to_owned(), why)].into())),
                None => assert_eq!(wrong, Unanswered::Nothing),
            }
        }
    }

    #[test]
    fn each_question_falls_back_to_its_default_by_itself() {
        let survey = survey();
        let asks = |locale| -> Vec<&str> {
            survey
                .questions
                .iter()
                .map(|question| survey.ask(question, locale))
                .collect()
        };
        assert_eq!(asks(Some("de-AT"))[..2], ["Wie zufrieden sind Sie?", "Why?"]);
        assert_eq!(asks(Some("fr"))[0], "How happy are you?");
        assert_eq!(survey.language(Some("de-AT")).as_deref(), Some("de"));
        assert_eq!(survey.language(Some("fr")), None);
    }
}
