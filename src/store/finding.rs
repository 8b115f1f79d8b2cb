//! What is found of the settings of a database.

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// What was promised does not hold: messages go out twice or are lost after a crash.
    Unsafe,
    /// It is slower, or holds less, than it could.
    Advice,
}

impl Grade {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsafe => "unsafe",
            Self::Advice => "advice",
        }
    }
}

/// A setting that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub grade: Grade,
    pub setting: &'static str,
    pub value: String,
    pub wanted: String,
    pub why: &'static str,
}
