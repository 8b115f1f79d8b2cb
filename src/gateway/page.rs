//! The pages that customers see: plain HTML without scripts, legible on any screen and to any screen reader, in light and dark.

use crate::{locale, markup::escape, words::Words};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;
use std::sync::LazyLock;

/// Nothing but the page's own style, by its hash, and a form to itself (Content Security Policy Level 3).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 and the words around it are visible ASCII")
});

const STYLE: &str = ":root{color-scheme:light dark}body{font:1.125rem/1.6 system-ui,sans-serif;max-width:34rem;margin:8vh auto;padding:0 1.5rem}\
h1{font-size:1.6rem;line-height:1.3}fieldset{border:0;margin:0;padding:0;min-width:0}fieldset,.free{margin:0 0 2rem}\
legend,.free>label{display:block;font-weight:600;padding:0;margin:0 0 .6rem}.scale{display:flex;flex-wrap:wrap;gap:.5rem}\
.scale label{position:relative;cursor:pointer}.scale span{display:block;min-width:1.7rem;padding:.5rem .55rem;border:2px solid;border-radius:.5rem;text-align:center}\
.scale input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:pointer}.scale input:checked+span{background:CanvasText;color:Canvas;border-color:CanvasText}\
.scale input:focus-visible+span{outline:3px solid Highlight;outline-offset:3px}.ends{display:flex;justify-content:space-between;gap:1rem;margin:.6rem 0 0;font-size:1rem}\
.choice label{display:flex;gap:.7rem;align-items:center;padding:.45rem 0;cursor:pointer}.choice input{width:1.4rem;height:1.4rem;margin:0;flex:none;accent-color:CanvasText}\
textarea{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;border:2px solid;border-radius:.5rem;color:CanvasText;background:Canvas}\
textarea:focus-visible,.choice input:focus-visible,a:focus-visible{outline:3px solid Highlight;outline-offset:3px}\
.wrong{border:2px solid;border-left-width:.6rem;border-radius:.5rem;padding:.2rem 1rem;margin:0 0 2rem}.fault{margin:0 0 .6rem;font-weight:600}.fault::before{content:\"\\2022  \"}button{font:inherit;padding:.7rem 1.4rem;border:2px solid;border-radius:.5rem;cursor:pointer}\
button:focus-visible{outline:3px solid Highlight;outline-offset:3px}";

/// Asks whether the customer means it; `gentler` leads to the preference centre.
pub fn ask(purpose: &str, gentler: &str, words: &Words) -> Response {
    let [before, after] = words.unsubscribe_ask;
    let body = format!(
        "<h1>{title}</h1><p>{before}<strong>{purpose}</strong>{after}</p>\
<form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\"><button type=\"submit\">{button}</button></form>\
<p>{note}</p>{gentler}",
        title = words.unsubscribe_title,
        purpose = escape(purpose),
        button = words.unsubscribe,
        note = words.nothing_changes_yet,
        gentler = rather(gentler, words),
    );
    show(StatusCode::OK, words.tag, words.unsubscribe_title, &body)
}

/// Confirms.
pub fn withdrawn(purpose: &str, gentler: &str, words: &Words) -> Response {
    let [before, after] = words.unsubscribed;
    let body = format!(
        "<h1>{title}</h1><p role=\"status\">{before}<strong>{purpose}</strong>{after}</p>{gentler}",
        title = words.unsubscribed_title,
        purpose = escape(purpose),
        gentler = rather(gentler, words),
    );
    show(StatusCode::OK, words.tag, words.unsubscribed_title, &body)
}

fn rather(page: &str, words: &Words) -> String {
    format!("<p><a href=\"{}\">{}</a></p>", escape(page), words.gentler)
}

/// For links that are forged or cut off.
pub fn unknown_link() -> Response {
    let body = "<h1>This link does not work</h1><p>It may have been cut off on its way, or it is no longer valid. \
Please open it from the message once more. If that does not help, answer the message and tell us what you want.</p>";
    show(StatusCode::NOT_FOUND, "en", "This link does not work", body)
}

/// While the store is away.
pub fn try_later(words: &Words) -> Response {
    let body = format!("<h1>{}</h1><p>{}</p>", words.later_title, words.later);
    let mut response = show(StatusCode::SERVICE_UNAVAILABLE, words.tag, words.later_title, &body);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The language of a page: what its link says, or else what the browser asks for first.
pub fn locale(asked: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let browser = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|languages| languages.to_str().ok());
    let first = browser.and_then(|languages| languages.split([',', ';']).next());
    let tag = asked.or(first).map(str::trim)?;
    (!locale::ranges(tag).is_empty()).then(|| tag.to_owned())
}

/// A page of ours; `lang` is the language of its words (WCAG 2.2, 3.1.1).
pub fn show(status: StatusCode, lang: &str, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    (status, headers, Html(html)).into_response()
}
