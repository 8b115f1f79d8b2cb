//! Texts that we put into HTML, SVG and XML. Pure.

/// As text and inside attributes in either kind of quotes. Control characters that XML forbids become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_ends_an_element_or_an_attribute() {
        assert_eq!(
            escape("<a href=\"x\" id='y'>&\u{1b}\n"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp; \n"
        );
    }
}
