//! What is wrong, where, and what to write instead. Knows sources as bytes; which field of which manifest a source stands in, `compile` adds.

use super::limits;
use std::ops::Range;

/// Bytes of the source string.
pub type Span = Range<usize>;

/// What kind of mistake. The names are stable: they become reasons and documentation anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It cannot be read.
    Syntax,
    /// It is above one of [`super::limits`].
    TooLarge,
    /// There is no such root or field here.
    UnknownName,
    UnknownFunction,
    /// A value of another type is needed.
    WrongType,
    /// A function does not take this argument.
    WrongArgument,
    /// A value is needed, and there may be none.
    MayBeMissing,
    /// A literal that the declared values do not have.
    NeverEqual,
    /// CEL has it, this language has not.
    NotInCel,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    /// Where in the source; `0..0` is the whole of it.
    pub span: Span,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(code: Code, span: Span, message: String) -> Self {
        let message = cut(message);
        Self {
            code,
            span,
            message,
            help: None,
        }
    }

    pub fn help(mut self, help: Option<impl Into<String>>) -> Self {
        self.help = help.map(|help| cut(help.into()));
        self
    }
}

/// Names in a message are as long as their author likes; where messages go, there is little room.
fn cut(mut message: String) -> String {
    if message.len() > limits::MESSAGE {
        message.truncate(floor(&message, limits::MESSAGE));
        message.push('…');
    }
    message
}

/// The character boundary at or before `at`.
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
