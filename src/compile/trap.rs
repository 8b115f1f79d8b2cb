//! What kubectl would read otherwise than it is meant: words that are booleans to it, texts that are numbers, what a tag loses.

use super::{
    Code,
    lines::Lines,
    plain,
    read::{Mistake, mistake},
};
use serde_json::Value;

/// Words that YAML 1.1 takes for a boolean and YAML 1.2 for a text.
const WORDS: [&str; 6] = ["y", "yes", "on", "n", "no", "off"];

/// What kubectl would read otherwise than it is meant.
pub(super) fn traps(document: &str, strict: &Value, loose: &Value) -> Result<(), Mistake> {
    let read_as = |word: &str| {
        if ["y", "yes", "on"].contains(&word.to_lowercase().as_str()) {
            "true"
        } else {
            "false"
        }
    };
    if let Some((path, word)) = trap(strict, loose, String::new()) {
        let spot = Lines::of(document, 1).spot(&path, None);
        let message = format!(
            "{path}: kubectl reads an unquoted {word} as {}; quote it",
            read_as(&word)
        );
        return Err(mistake(Code::WordIsBoolean, spot.line, message).at(spot.column, spot.length));
    }
    for (n, line) in document.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default();
        for (key, rest) in line
            .split(['{', ','])
            .filter_map(|part| part.trim_start().trim_start_matches("- ").split_once(':'))
        {
            if WORDS.contains(&key.trim().to_lowercase().as_str())
                && (rest.is_empty() || rest.starts_with(' '))
                && is_key(strict, key.trim())
            {
                return Err(mistake(
                    Code::KeyIsBoolean,
                    n + 1,
                    format!(
                        "kubectl reads the key {} as {}; quote it, or choose another name",
                        key.trim(),
                        read_as(key.trim())
                    ),
                ));
            }
        }
    }
    for plain in plain::plains(document) {
        let spot =
            |code, message: String| mistake(code, plain.line, message).at(plain.column, plain.text.chars().count());
        if plain.inside && plain.text.contains('?') {
            let message = format!(
                "kubectl does not read {} within braces or brackets: quote it",
                plain.text
            );
            return Err(spot(Code::QuestionInBraces, message));
        }
        if plain::hides_a_number(plain.text) && is_text(strict, plain.text) {
            let message = format!("kubectl reads an unquoted {} as a number; quote it", plain.text);
            return Err(spot(Code::TextIsNumber, message));
        }
    }
    // A tag: `when: !customer.vip` arrives as an empty text.
    for (n, line) in document.lines().enumerate() {
        if let Some((key, value)) = line.split_once(": !")
            && !value.starts_with('!')
            && !key.contains(['"', '\'', '#', '`'])
            && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(')
            && loses(strict)
        {
            return Err(mistake(
                Code::LostToATag,
                n + 1,
                format!(
                    "YAML takes !{} for a tag and loses it: put the expression in quotes",
                    value.split([' ', ',', '}']).next().unwrap_or_default()
                ),
            ));
        }
    }
    Ok(())
}

/// Where the one reading has a boolean and the other a text.
fn trap(strict: &Value, loose: &Value, path: String) -> Option<(String, String)> {
    match (strict, loose) {
        (Value::String(word), Value::Bool(_)) => Some((path, word.clone())),
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            trap(value, b.get(name)?, path)
        }),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(n, (a, b))| trap(a, b, format!("{path}[{n}]"))),
        _ => None,
    }
}

/// Whether some value is this text.
fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(known) => known == text,
        Value::Object(fields) => fields.values().any(|value| is_text(value, text)),
        Value::Array(items) => items.iter().any(|item| is_text(item, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_key(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == name || is_key(value, name)),
        Value::Array(items) => items.iter().any(|item| is_key(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether some value is nothing, as a tag without a value is.
fn loses(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.values().any(loses),
        Value::Array(items) => items.iter().any(loses),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
