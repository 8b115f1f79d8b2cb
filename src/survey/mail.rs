//! The mail that leads to a survey: its subject is the first question, its links open the page; those of the first scale with the answer
//! filled in. No link answers by itself, because mail programs and scanners follow links.

use super::{Question, Survey};
use crate::{markup::escape, personal::Personal, words::Words};
use std::{collections::BTreeMap, fmt::Write as _};
use url::form_urlencoded;

/// Fields of the content of a survey; a webhook's body may read them too.
pub const FIELDS: [&str; 4] = ["subject", "text", "html", "link"];

/// The content by field. `page` is the signed address of the survey's page, `unsubscribe` that of the purpose's, where it has one.
pub fn content(
    survey: &Survey,
    page: &str,
    locale: Option<&str>,
    unsubscribe: Option<&str>,
) -> BTreeMap<String, Personal<String>> {
    let link = address(page, locale, None);
    let all = [
        (
            "subject",
            survey
                .questions
                .first()
                .map_or("", |first| survey.ask(first, locale))
                .to_owned(),
        ),
        ("text", text(survey, &link, locale, unsubscribe)),
        ("html", html(survey, page, locale, unsubscribe)),
        ("link", link),
    ];
    all.into_iter()
        .map(|(field, value)| (field.to_owned(), Personal::new(value)))
        .collect()
}

/// The page's address in the customer's language, perhaps with an answer filled in.
fn address(page: &str, locale: Option<&str>, answer: Option<(&str, i64)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(locale) = locale {
        query.append_pair("lang", locale);
    }
    if let Some((question, answer)) = answer {
        query.append_pair("q", question).append_pair("a", &answer.to_string());
    }
    match query.finish().as_str() {
        "" => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

fn text(survey: &Survey, link: &str, locale: Option<&str>, unsubscribe: Option<&str>) -> String {
    let words = Words::of(locale);
    let asks: Vec<&str> = survey
        .questions
        .iter()
        .map(|question| survey.ask(question, locale))
        .collect();
    let mut text = format!("{}\n\n{}: {link}\n", asks.join("\n"), words.answer_here);
    if let Some(page) = unsubscribe {
        let _never_fails = write!(text, "\n{}: {page}\n", words.unsubscribe);
    }
    text
}

fn html(survey: &Survey, page: &str, locale: Option<&str>, unsubscribe: Option<&str>) -> String {
    let words = Words::of(locale);
    let mut body = String::new();
    let scale = survey.questions.iter().find(|question| question.scale().is_some());
    for question in &survey.questions {
        let ask = escape(survey.ask(question, locale));
        let _never_fails = write!(
            body,
            "<p style=\"font-size:18px;font-weight:bold;margin:24px 0 8px\">{ask}</p>"
        );
        if scale == Some(question) {
            body.push_str(&answers(question, page, locale, words));
        }
    }
    let link = escape(&address(page, locale, None));
    let _never_fails = write!(
        body,
        "<p style=\"margin:24px 0\"><a href=\"{link}\" style=\"display:inline-block;padding:12px 22px;border:2px solid #1a4fa3;\
border-radius:6px;background:#1a4fa3;color:#ffffff;text-decoration:none\">{}</a></p>",
        words.answer_here
    );
    if let Some(unsubscribe) = unsubscribe {
        let _never_fails = write!(
            body,
            "<p style=\"font-size:13px;color:#595959\"><a href=\"{}\" style=\"color:#595959\">{}</a></p>",
            escape(unsubscribe),
            words.unsubscribe
        );
    }
    let language = survey.language(locale).unwrap_or_else(|| words.tag.to_owned());
    format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<title>{}</title></head><body style=\"font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;color:#1c1c1c;\
background:#ffffff;margin:0;padding:16px\"><div style=\"max-width:560px;margin:0 auto\">{body}</div></body></html>",
        escape(survey.questions.first().map_or("", |first| survey.ask(first, locale)))
    )
}

/// A link for each answer of a scale, and what its ends mean.
fn answers(question: &Question, page: &str, locale: Option<&str>, words: &Words) -> String {
    let (Some(scale), Some([least, most])) = (question.scale(), question.ends(words)) else {
        return String::new();
    };
    let ends = format!("{} = {least}, {} = {most}", scale.start(), scale.end());
    let links: String = scale
        .map(|answer| {
            let link = escape(&address(page, locale, Some((&question.name, answer))));
            format!(
                "<a href=\"{link}\" style=\"display:inline-block;min-width:22px;padding:9px 8px;margin:0 4px 6px 0;border:1px solid #1a4fa3;\
border-radius:6px;color:#1a4fa3;text-align:center;text-decoration:none\">{answer}</a>"
            )
        })
        .collect();
    format!("<p style=\"margin:0\">{links}</p><p style=\"font-size:14px;color:#595959;margin:4px 0 0\">{ends}</p>")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::survey, *};

    fn field(content: &BTreeMap<String, Personal<String>>, name: &str) -> String {
        content[name].expose().clone()
    }

    #[test]
    fn the_mail_asks_in_the_customers_language_and_links_each_answer_of_the_scale() {
        let content = content(
            &survey(),
            "https://e.example/s/TOKEN",
            Some("de-AT"),
            Some("https://e.example/u/X?a=1&b=2"),
        );
        assert_eq!(
            content.keys().map(String::as_str).collect::<Vec<_>>(),
            ["html", "link", "subject", "text"]
        );
        assert_eq!(field(&content, "subject"), "Wie zufrieden sind Sie?");
        assert_eq!(field(&content, "link"), "https://e.example/s/TOKEN?lang=de-AT");
        let text = field(&content, "text");
        assert!(
            text.contains("Hier antworten: https://e.example/s/TOKEN?lang=de-AT\n"),
            "{text}"
        );
        assert!(text.contains("Abmelden: https://e.example/u/X?a=1&b=2"), "{text}");
        let html = field(&content, "html");
        for answer in 1..=5 {
            assert!(
                html.contains(&format!("?lang=de-AT&amp;q=score&amp;a={answer}\"")),
                "{html}"
            );
        }
        assert!(
            !html.contains("a=6") && html.contains("5 = sehr zufrieden") && html.contains("lang=\"de\""),
            "{html}"
        );
        assert!(html.contains("X?a=1&amp;b=2"), "{html}");
    }

    #[test]
    fn without_a_language_it_is_the_owners_and_ours_is_english() {
        let content = content(&survey(), "https://e.example/s/TOKEN", None, None);
        assert_eq!(field(&content, "subject"), "How happy are you?");
        assert_eq!(field(&content, "link"), "https://e.example/s/TOKEN");
        assert!(field(&content, "text").ends_with("Answer here: https://e.example/s/TOKEN\n"));
        assert!(!field(&content, "html").contains("Unsubscribe"));
    }
}
