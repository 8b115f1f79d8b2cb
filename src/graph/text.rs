//! How wide a text is, and how a long one becomes lines. Fonts are not measured: the widths are those of Helvetica's metrics with a tenth to
//! spare, which the sans-serif fonts of today's systems stay below.

/// Width in the units of `size`.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(of_em).sum::<f64>() * size * 1.1
}

/// Share of the font's size that a letter takes.
fn of_em(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '\'' | '|' => 0.24,
        'f' | 't' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '!' | '/' | '(' | ')' | '[' | ']' | '-' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.95,
        'A'..='Z' | '&' | '=' | '<' | '>' | '+' | '_' => 0.72,
        ' '..='~' => 0.56,
        // Far-eastern letters fill their square; others are taken for wide Latin ones.
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => 1.0,
        '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..='\u{1faff}' => 1.1,
        _ => 0.75,
    }
}

/// The text in lines no wider than `limit`, broken behind spaces, dashes, slashes and opening brackets where it can be, and within a word where it
/// must. More than `most` lines: the last ends in an ellipsis.
pub(super) fn wrap(text: &str, size: f64, limit: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let mut line = String::new();
    for word in words(text) {
        if !line.is_empty() && width(&line, size) + width(word.trim_end(), size) > limit {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            if width(&line, size) + width(letter.encode_utf8(&mut [0; 4]), size) > limit && letter != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    let mut lines: Vec<String> = lines.iter().map(|line| line.trim().to_owned()).collect();
    lines.retain(|line| !line.is_empty());
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            while width(last, size) + width("…", size) > limit && last.pop().is_some() {}
            last.push('…');
        }
    }
    lines
}

/// Pieces that may stand at the end of a line, each with what it ends by.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '-', '/', '('])
}

/// The text of lines that Unicode or XML would not show is left out: control characters, and those that turn the writing around.
pub(super) fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' | '\r' => ' ',
        other => other,
    };
    let hidden = |letter: &char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(shown).filter(|letter| !hidden(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_a_reader_would() {
        let lines = wrap("remind-them-of-everything-in-the-cart", 13.0, 110.0, 9);
        assert_eq!(lines.concat(), "remind-them-of-everything-in-the-cart");
        assert!(lines.iter().all(|line| width(line, 13.0) <= 110.0), "{lines:?}");
        assert!(
            lines[..lines.len() - 1].iter().all(|line| line.ends_with('-')),
            "{lines:?}"
        );
    }

    #[test]
    fn a_word_without_a_place_to_break_is_cut_and_nothing_is_lost() {
        let word = "x".repeat(200);
        let lines = wrap(&word, 11.0, 90.0, 99);
        assert_eq!(lines.concat(), word);
        assert!(lines.iter().all(|line| width(line, 11.0) <= 90.0));
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        let lines = wrap(
            "customer.country in ['DE', 'FR', 'AT', 'CH'] && customer.points > 100",
            11.0,
            120.0,
            2,
        );
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…'), "{lines:?}");
        assert!(width(&lines[1], 11.0) <= 120.0 + 1.0);
        assert_eq!(wrap("", 11.0, 120.0, 2), [] as [&str; 0]);
    }

    #[test]
    fn what_cannot_be_printed_is_left_out() {
        assert_eq!(printable("a\u{0}b\nc\u{202e}d"), "ab cd");
    }
}
