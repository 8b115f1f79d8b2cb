//! What is wrong, where, and what to write instead.
use std::{fmt::Write, ops::Range};

/// Bytes of the source string.
pub type Span = Range<usize>;

/// Stable names: they become reasons and documentation anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Syntax,
    TooLarge,
    UnknownName,
    UnknownFunction,
    WrongType,
    WrongArgument,
    MayBeMissing,
    NeverEqual,
    NotInCel,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(code: Code, span: Span, message: String) -> Self {
        Self {
            code,
            span,
            message,
            help: None,
        }
    }

    pub fn help(mut self, help: Option<impl Into<String>>) -> Self {
        self.help = help.map(Into::into);
        self
    }

    /// Two or three lines: the message, the source with a line below it, the help. Control characters and long sources are cut.
    pub fn render(&self, source: &str) -> String {
        let cut = |s: &str| {
            s.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
        };
        let from = floor(source, self.span.start.saturating_sub(40));
        let to = floor(source, self.span.end.min(self.span.start + 60).saturating_add(40));
        let (start, end) = (floor(source, self.span.start), floor(source, self.span.end.min(to)));
        let mut out = format!(
            "{:?} at {}..{}: {}\n  | {}\n  | ",
            self.code,
            self.span.start,
            self.span.end,
            self.message,
            cut(&source[from..to])
        );
        let _ = write!(
            out,
            "{}{}",
            " ".repeat(source[from..start].chars().count()),
            "^".repeat(source[start..end.max(start)].chars().count().max(1))
        );
        if let Some(help) = &self.help {
            let _ = write!(out, "\n  = {help}");
        }
        out
    }
}

fn floor(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The known name closest to `word`, if it is close enough to be meant. Bounded: names over 64 bytes are not compared.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .filter(|k| word.len() <= 64 && k.len() <= 64)
        .map(|k| (distance(&word.to_ascii_lowercase(), &k.to_ascii_lowercase()), k))
        .filter(|(d, _)| *d <= allowed)
        .min()
        .map(|(_, k)| k)
}

/// Optimal string alignment: a swap of neighbours is one mistake.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let mut best = (rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]))
                .min(rows[1][j] + 1)
                .min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}
