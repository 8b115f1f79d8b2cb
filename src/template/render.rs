//! One rendering: values in, text out, within fuel and space.

use super::{NAME, RenderError, Template, Values, failure, limits};
use crate::engine::state::Properties;
use crate::markup::escape;
use minijinja::{Error, ErrorKind, Value, value::Serde};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// A link may be made of another link, and that of a third; no template needs more.
const ROUNDS: usize = 4;

/// Addresses asked for, each with its tracked one once it is made.
type Asked = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// The engine takes functions that outlive the rendering, `values.link` does not: a round that asks for new addresses is followed by
/// another that knows them. A template without link() needs one round.
pub fn render(template: &Template, values: &Values<'_>) -> Result<String, RenderError> {
    let asked = Asked::default();
    for _ in 0..ROUNDS {
        let text = round(template, values, &asked)?;
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut complete = true;
        for (address, tracked) in asked.iter_mut().filter(|(_, tracked)| tracked.is_none()) {
            *tracked = Some((values.link)(address));
            complete = false;
        }
        if complete {
            return Ok(text);
        }
    }
    Err(RenderError::Failed("link() of a link() of a link()".into()))
}

fn round(template: &Template, values: &Values<'_>, asked: &Asked) -> Result<String, RenderError> {
    let of = |properties: &Properties| {
        Value::from_pairs(
            properties
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.as_str(), Value::from(Serde(value)))),
        )
    };
    let customer = template
        .reads
        .iter()
        .filter_map(|name| {
            values
                .customer
                .get(name)
                .filter(|value| !value.is_null())
                .map(|value| (name.as_str(), Value::from(Serde(value))))
        })
        .chain([("id", Value::from(values.customer_id))]);
    let mut roots = vec![
        ("customer", Value::from_pairs(customer)),
        ("with", of(values.with)),
        ("link", link(asked.clone(), template.html)),
        (
            "unsubscribe_link",
            page_link(values.unsubscribe.unwrap_or_default(), template.html),
        ),
        (
            "preferences_link",
            page_link(values.preferences.unwrap_or_default(), template.html),
        ),
        (
            "confirm_link",
            page_link(values.confirm.unwrap_or_default(), template.html),
        ),
        ("leave_link", page_link(values.leave.unwrap_or_default(), template.html)),
        ("join_link", join_link(template, values)),
    ];
    roots.extend(values.content.map(|content| ("content", of(content))));
    roots.extend(values.to.map(|to| ("to", Value::from(to))));

    let mut out = Bounded::default();
    let rendered = template
        .environment
        .get_template(NAME)
        .and_then(|parsed| parsed.render_captured_to(Value::from_pairs(roots), &mut out).map(drop));
    match rendered {
        Ok(()) => String::from_utf8(out.text).map_err(|_| RenderError::Failed("the text is not UTF-8".into())),
        Err(_) if out.full => Err(RenderError::TooLong { limit: limits::OUTPUT }),
        Err(error) => Err(failure(root_kind(&error), error.line())),
    }
}

/// Out of fuel may be wrapped by what was being done.
fn root_kind(error: &Error) -> ErrorKind {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<Error>()
            && inner.kind() == ErrorKind::OutOfFuel
        {
            return ErrorKind::OutOfFuel;
        }
        source = inner.source();
    }
    error.kind()
}

fn link(asked: Asked, html: bool) -> Value {
    Value::from_function(move |address: Arc<str>| -> Result<Value, Error> {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let tracked = asked.entry(address.to_string()).or_default();
        Ok(address_value(tracked.as_deref().unwrap_or(&address), html))
    })
}

/// The check has found every journey that it can be called with.
fn join_link(template: &Template, values: &Values<'_>) -> Value {
    let html = template.html;
    let pages = template.joins.iter();
    let pages: BTreeMap<String, String> = pages.map(|name| (name.clone(), (values.join)(name))).collect();
    Value::from_function(move |journey: Arc<str>| address_value(pages.get(&*journey).map_or("", String::as_str), html))
}

fn page_link(page: &str, html: bool) -> Value {
    let page = page.to_owned();
    Value::from_function(move || address_value(&page, html))
}

/// An address in HTML keeps its slashes: only what could end an attribute is escaped.
fn address_value(address: &str, html: bool) -> Value {
    if html {
        Value::from_safe_string(escape(address))
    } else {
        Value::from(address)
    }
}

/// range(end), range(start, end), range(start, end, step): at most as many numbers as there is fuel, whatever the ends are.
pub fn range(start: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let ((start, end), step) = (end.map_or((0, start), |end| (start, end)), step.unwrap_or(1));
    let (distance, step_width) = (i128::from(end) - i128::from(start), i128::from(step));
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "range() cannot step by 0"));
    }
    let numbers = if distance.signum() == step_width.signum() {
        (distance.abs() + step_width.abs() - 1) / step_width.abs()
    } else {
        0
    };
    let numbers = i64::try_from(numbers)
        .ok()
        .filter(|n| n.unsigned_abs() <= limits::FUEL)
        .ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
    Ok(Value::make_iterable(move || {
        (0..numbers).map(move |n| (i128::from(start) + i128::from(n) * step_width) as i64)
    }))
}

/// In hexadecimal: what audiences of ad networks are matched by in place of an address.
pub fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes bytes up to the limit, then refuses.
#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > limits::OUTPUT {
            self.full = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
