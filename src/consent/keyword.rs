//! The words by which people answer text messages: STOP and its like, START, HELP. Those that CTIA's Messaging Principles name (5.1.3), those that
//! 47 CFR 64.1200(a)(10) names, and the German ones.

/// Letters of the longest word; more is none of them.
const LONGEST: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    /// Send no more.
    Stop,
    /// Send again.
    Start,
    /// Who are you?
    Help,
}

impl Keyword {
    pub const ALL: [Self; 3] = [Self::Stop, Self::Start, Self::Help];

    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "Stop",
            Self::Start => "Start",
            Self::Help => "Help",
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Stop => &[
                "STOP",
                "STOPALL",
                "UNSUBSCRIBE",
                "CANCEL",
                "END",
                "QUIT",
                "REVOKE",
                "OPTOUT",
                "STOPP",
                "ABMELDEN",
            ],
            Self::Start => &["START", "UNSTOP"],
            Self::Help => &["HELP", "INFO", "HILFE"],
        }
    }

    /// The keyword that a text is, and is nothing else: whatever its case, its spaces and its punctuation. A sentence with the word in it is none.
    pub fn of(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        let word: String = letters.take(LONGEST + 1).flat_map(char::to_uppercase).collect();
        Self::ALL
            .into_iter()
            .find(|keyword| keyword.words().contains(&word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_a_word_is_heard_whatever_its_case_and_punctuation() {
        for (text, keyword) in [
            ("STOP", Some(Keyword::Stop)),
            (" stop. ", Some(Keyword::Stop)),
            ("\"Stop!\"", Some(Keyword::Stop)),
            ("Stop all", Some(Keyword::Stop)),
            ("opt-out", Some(Keyword::Stop)),
            ("Opt out", Some(Keyword::Stop)),
            ("Unsubscribe", Some(Keyword::Stop)),
            ("revoke", Some(Keyword::Stop)),
            ("Stopp", Some(Keyword::Stop)),
            ("abmelden\n", Some(Keyword::Stop)),
            ("start", Some(Keyword::Start)),
            ("UNSTOP", Some(Keyword::Start)),
            ("help?", Some(Keyword::Help)),
            ("Info", Some(Keyword::Help)),
            ("Hilfe!", Some(Keyword::Help)),
            ("please stop", None),
            ("don't stop", None),
            ("the bus stop", None),
            ("stopping", None),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(Keyword::of(text), keyword, "{text}");
        }
    }
}
