//! Text to tokens. Knows CEL's spelling and what people write instead of it; nothing of types. Tokens go to `syntax`.

use super::diagnostic::{Code, Diagnostic, Span};

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Name(String),
    Int(u64),
    Number(f64),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longest first: `<=` before `<`.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// One token from `at`, with its span. `source` is bounded by the caller (`limits::SOURCE`).
pub fn next(source: &str, mut at: usize) -> Result<(Token, Span), Diagnostic> {
    let bytes = source.as_bytes();
    while at < bytes.len() && bytes[at].is_ascii_whitespace() {
        at += 1;
    }
    let Some(&first) = bytes.get(at) else {
        return Ok((Token::End, at..at));
    };
    if first.is_ascii_alphabetic() || first == b'_' {
        if matches!(first, b'r' | b'R') && matches!(bytes.get(at + 1), Some(b'\'' | b'"')) {
            return text(source, at, at + 1, true);
        }
        let end = run(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'_');
        return Ok((Token::Name(source[at..end].to_owned()), at..end));
    }
    if first.is_ascii_digit() || (first == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) {
        return number(source, at);
    }
    if matches!(first, b'\'' | b'"') {
        return text(source, at, at, false);
    }
    if let Some(sign) = SIGNS.iter().find(|s| source[at..].starts_with(**s)) {
        return Ok((Token::Sign(sign), at..at + sign.len()));
    }
    let width = source[at..].chars().next().map_or(1, char::len_utf8);
    let help = match first {
        b'=' => Some("equality is written =="),
        b'&' => Some("and is written &&"),
        b'|' => Some("or is written ||"),
        b'`' => Some("text is written in '...' or \"...\""),
        _ if "\u{2018}\u{2019}\u{201c}\u{201d}".contains(&source[at..at + width]) => {
            Some("these are typographic quotes: write ' or \"")
        }
        _ => None,
    };
    Err(Diagnostic::new(
        Code::Syntax,
        at..at + width,
        format!("'{}' means nothing here", &source[at..at + width]),
    )
    .help(help))
}

fn run(bytes: &[u8], from: usize, keep: impl Fn(u8) -> bool) -> usize {
    bytes[from..]
        .iter()
        .position(|b| !keep(*b))
        .map_or(bytes.len(), |n| from + n)
}

fn number(source: &str, at: usize) -> Result<(Token, Span), Diagnostic> {
    let bytes = source.as_bytes();
    let digit = |b: u8| b.is_ascii_digit();
    let mut end = run(bytes, at, digit);
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        whole = false;
        end = run(bytes, end + 1, digit);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            whole = false;
            end = run(bytes, end + 1 + sign, digit);
        }
    }
    let tail = run(bytes, end, |b| b.is_ascii_alphanumeric() || b == b'_');
    if tail > end {
        let unit = &source[end..tail];
        let help = match unit {
            "d" => Some(format!("write days({})", &source[at..end])),
            "s" | "m" | "h" => Some(format!("write duration('{}{unit}')", &source[at..end])),
            _ => None,
        };
        return Err(Diagnostic::new(
            Code::Syntax,
            at..tail,
            format!("'{}' is not a number", &source[at..tail]),
        )
        .help(help));
    }
    let digits = &source[at..end];
    let token = if whole {
        digits.parse().ok().map(Token::Int)
    } else {
        digits.parse().ok().filter(|n: &f64| n.is_finite()).map(Token::Number)
    };
    token
        .map(|t| (t, at..end))
        .ok_or_else(|| Diagnostic::new(Code::Syntax, at..end, "this number is too large".into()))
}

fn text(source: &str, start: usize, quote_at: usize, raw: bool) -> Result<(Token, Span), Diagnostic> {
    let quote = source.as_bytes()[quote_at] as char;
    let mut out = String::new();
    let mut chars = source[quote_at + 1..].char_indices();
    let bad = |at: usize, to: usize| {
        Diagnostic::new(Code::Syntax, at..to, "this escape is not known".into()).help(Some(
            "known are \\\\ \\' \\\" \\n \\r \\t \\uXXXX; a pattern is written r'\\d+'",
        ))
    };
    while let Some((offset, c)) = chars.next() {
        let at = quote_at + 1 + offset;
        match c {
            c if c == quote => return Ok((Token::Text(out), start..at + 1)),
            '\\' if !raw => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, e @ ('\\' | '\'' | '"' | '`' | '?'))) => out.push(e),
                Some((_, 'u')) => {
                    let hex: String = chars.by_ref().take(4).map(|(_, h)| h).collect();
                    // from_str_radix alone would take a sign.
                    let four = hex.len() == 4 && hex.bytes().all(|b| b.is_ascii_hexdigit());
                    let code = if four { u32::from_str_radix(&hex, 16).ok() } else { None };
                    out.push(code.and_then(char::from_u32).ok_or_else(|| bad(at, at + 2))?);
                }
                _ => return Err(bad(at, at + 1)),
            },
            '\n' => break,
            c => out.push(c),
        }
    }
    Err(Diagnostic::new(
        Code::Syntax,
        start..quote_at + 1,
        format!("this text has no closing {quote}"),
    ))
}
