//! Scalars without quotes in YAML as it is written, for what kubectl reads otherwise than YAML 1.2 says: parsed values do not tell any more
//! whether they were quoted. Only as much of YAML is followed as it takes to tell them from quoted ones, comments and block texts.

/// A scalar without quotes.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain<'t> {
    /// From 1, in characters.
    pub line: usize,
    pub column: usize,
    pub text: &'t str,
    /// Whether it stands within braces or brackets.
    pub inside: bool,
}

/// All of a document, keys too. Of one that goes on over several lines each line is given.
pub fn plains(document: &str) -> Vec<Plain<'_>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    // Lines indented deeper than this belong to a block text.
    let mut block: Option<usize> = None;
    for (n, line) in document.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some(parent) = block {
            if line.trim().is_empty() || indent > parent {
                continue;
            }
            block = None;
        }
        let mut at = indent;
        while at < line.len() {
            let rest = &line[at..];
            let first = rest.chars().next().unwrap_or(' ');
            if let Some(mark) = quote {
                at += end_of_quote(rest, mark).map_or(rest.len(), |end| {
                    quote = None;
                    end
                });
            } else if first.is_whitespace() || (depth > 0 && matches!(first, ',' | ':')) {
                at += first.len_utf8();
            } else if first == '#' {
                break;
            } else if matches!(first, '"' | '\'') {
                quote = Some(first);
                at += 1;
            } else if matches!(first, '{' | '[') {
                depth += 1;
                at += 1;
            } else if depth > 0 && matches!(first, '}' | ']') {
                depth -= 1;
                at += 1;
            } else if depth == 0 && (rest.starts_with("- ") || rest.starts_with("? ") || rest.starts_with(':')) {
                at += 1;
            } else if depth == 0 && matches!(first, '|' | '>') {
                // The entry that it is the text of, which may stand behind dashes.
                let entry = line.trim_start_matches([' ', '-']);
                block = Some(if entry.starts_with(['|', '>']) {
                    indent
                } else {
                    line.len() - entry.len()
                });
                break;
            } else if matches!(first, '&' | '!') {
                at += rest.find(char::is_whitespace).unwrap_or(rest.len());
            } else {
                let text = rest[..end_of_plain(rest, depth > 0)].trim_end();
                found.push(Plain {
                    line: n + 1,
                    column: line[..at].chars().count() + 1,
                    text,
                    inside: depth > 0,
                });
                at += text.len().max(1);
            }
        }
    }
    found
}

/// Behind the closing quote, if it is in this line.
fn end_of_quote(rest: &str, mark: char) -> Option<usize> {
    let mut chars = rest.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if char == '\\' && mark == '"' {
            chars.next();
        } else if char == mark {
            // Two single quotes are one in the text.
            if mark == '\'' && chars.next_if(|(_, next)| *next == mark).is_some() {
                continue;
            }
            return Some(at + 1);
        }
    }
    None
}

fn end_of_plain(rest: &str, inside: bool) -> usize {
    let mut before = ' ';
    let mut chars = rest.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let ends_key =
            char == ':' && next.is_none_or(|next| next.is_whitespace() || (inside && ",[]{}".contains(next)));
        let comment = char == '#' && before.is_whitespace() && at > 0;
        if ends_key || comment || (inside && ",[]{}".contains(char)) {
            return at;
        }
        before = char;
    }
    rest.len()
}

/// Whether kubectl takes the scalar for a number because underscores do not count.
pub fn hides_a_number(text: &str) -> bool {
    let digits = text.replace('_', "");
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    digits.len() < text.len() && begins && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Vec<(&str, bool)> {
        plains(document)
            .into_iter()
            .map(|plain| (plain.text, plain.inside))
            .collect()
    }

    #[test]
    fn scalars_are_told_from_what_is_quoted_and_what_is_a_comment() {
        let document = "a: b c # why?\n- d: {e: f?, \"g\": 'it''s', h: [i, \"j?\"]}\nk:\n  l: m{n}: o\n";
        let expected = [
            ("a", false),
            ("b c", false),
            ("d", false),
            ("e", true),
            ("f?", true),
            ("h", true),
            ("i", true),
            ("k", false),
            ("l", false),
        ];
        assert_eq!(texts(document)[..9], expected);
        assert_eq!(
            plains(document)[4],
            Plain {
                line: 2,
                column: 10,
                text: "f?",
                inside: true
            }
        );
    }

    #[test]
    fn block_texts_and_quotes_over_several_lines_are_passed_over() {
        let document = "a: |\n  {b: c?}\n\n  d\ne: \"f\n  {g?}\"\nh: >-\n  i\n- j: |\n    {k?}\n  l: m\n";
        assert_eq!(
            texts(document),
            [
                ("a", false),
                ("e", false),
                ("h", false),
                ("j", false),
                ("l", false),
                ("m", false)
            ]
        );
    }

    #[test]
    fn underscores_hide_numbers() {
        for text in ["1__0", "1_0.5", ".1_0", "1_", "10_000.5", "-1_0.5"] {
            assert!(hides_a_number(text), "{text}");
        }
        for text in ["10", "_1", "a_1", "1_a", "1-0", "inf_", "1_0_b"] {
            assert!(!hides_a_number(text), "{text}");
        }
    }
}
