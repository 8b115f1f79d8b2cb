//! What customers read that no owner wrote: the words of our pages and of survey mails, in English and German. Pure.

use crate::locale;

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// Its tag, for `lang`.
    pub tag: &'static str,
    pub survey_title: &'static str,
    /// Before the address of a survey's page.
    pub answer_here: &'static str,
    pub send: &'static str,
    pub nothing_saved_yet: &'static str,
    pub thanks_title: &'static str,
    pub thanks: &'static str,
    pub answered_title: &'static str,
    pub answered: &'static str,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub nothing_answered: &'static str,
    pub look_again: &'static str,
    pub not_offered: &'static str,
    pub too_long: &'static str,
    /// What the lowest and the highest answer mean: of NPS, CSAT, CES.
    pub nps: [&'static str; 2],
    pub csat: [&'static str; 2],
    pub ces: [&'static str; 2],
    pub unsubscribe: &'static str,
    pub leave_title: &'static str,
    /// Around the journey's title.
    pub leave_ask: [&'static str; 2],
    pub leave: &'static str,
    pub left_title: &'static str,
    pub left: [&'static str; 2],
    pub join_title: &'static str,
    pub join_ask: [&'static str; 2],
    pub join: &'static str,
    pub joined_title: &'static str,
    pub joined: [&'static str; 2],
    pub not_open_title: &'static str,
    pub not_open: &'static str,
    pub confirm_title: &'static str,
    /// Around the purposes.
    pub confirm_ask: [&'static str; 2],
    pub confirm: &'static str,
    pub confirmed_title: &'static str,
    pub confirmed: &'static str,
    pub confirmed_before: &'static str,
    pub confirm_over_title: &'static str,
    pub confirm_over: &'static str,
    pub nothing_changes_yet: &'static str,
    pub later_title: &'static str,
    pub later: &'static str,
    /// Stands for a journey that is gone.
    pub this_series: &'static str,
}

static ENGLISH: Words = Words {
    tag: "en",
    survey_title: "Your opinion",
    answer_here: "Answer here",
    send: "Send answer",
    nothing_saved_yet: "Nothing is saved until you press the button.",
    thanks_title: "Thank you",
    thanks: "Your answer has been saved.",
    answered_title: "Already answered",
    answered: "You have answered this before, and your first answer counts. Thank you.",
    closed_title: "This survey is closed",
    closed: "It takes no answers any more. Thank you for your interest.",
    nothing_answered: "Please answer at least one question.",
    look_again: "Please look at this once more:",
    not_offered: "Please choose one of the answers.",
    too_long: "Please shorten this to 2,000 characters.",
    nps: ["not at all likely", "extremely likely"],
    csat: ["very dissatisfied", "very satisfied"],
    ces: ["strongly disagree", "strongly agree"],
    unsubscribe: "Unsubscribe",
    leave_title: "Leave?",
    leave_ask: ["Press the button to leave ", ". You will get no more of it."],
    leave: "Leave",
    left_title: "You have left",
    left: [
        "You will get no more of ",
        ". A message that is already on its way may still arrive.",
    ],
    join_title: "Join?",
    join_ask: ["Press the button to join ", "."],
    join: "Join",
    joined_title: "You have joined",
    joined: ["From now on you take part in ", "."],
    not_open_title: "Joining is not possible",
    not_open: "This offer is not open any more. Nothing has changed.",
    confirm_title: "Please confirm",
    confirm_ask: ["Press the button to agree to messages about ", "."],
    confirm: "I agree",
    confirmed_title: "Thank you, you are subscribed",
    confirmed: "Your consent is saved. You can withdraw it at any time by the link in every message.",
    confirmed_before: "You had confirmed this before, and it still holds. You can withdraw it at any time by the link in every message.",
    confirm_over_title: "This link is over",
    confirm_over: "It was replaced by a newer one, or you have unsubscribed since. Nothing has changed.",
    nothing_changes_yet: "Nothing changes until you press it.",
    later_title: "Please try again in a moment",
    later: "We could not save your choice just now, and nothing has changed. Please go back and press the button again.",
    this_series: "this series of messages",
};

static GERMAN: Words = Words {
    tag: "de",
    survey_title: "Ihre Meinung",
    answer_here: "Hier antworten",
    send: "Antwort senden",
    nothing_saved_yet: "Erst wenn Sie auf den Knopf drücken, wird etwas gespeichert.",
    thanks_title: "Vielen Dank",
    thanks: "Ihre Antwort ist gespeichert.",
    answered_title: "Schon beantwortet",
    answered: "Sie haben diese Fragen schon beantwortet; Ihre erste Antwort zählt. Vielen Dank.",
    closed_title: "Diese Umfrage ist beendet",
    closed: "Sie nimmt keine Antworten mehr an. Vielen Dank für Ihr Interesse.",
    nothing_answered: "Bitte beantworten Sie mindestens eine Frage.",
    look_again: "Bitte sehen Sie sich das noch einmal an:",
    not_offered: "Bitte wählen Sie eine der Antworten.",
    too_long: "Bitte kürzen Sie das auf 2.000 Zeichen.",
    nps: ["sehr unwahrscheinlich", "sehr wahrscheinlich"],
    csat: ["sehr unzufrieden", "sehr zufrieden"],
    ces: ["stimme gar nicht zu", "stimme voll zu"],
    unsubscribe: "Abmelden",
    leave_title: "Beenden?",
    leave_ask: ["Mit dem Knopf beenden Sie: ", ". Sie bekommen dann nichts mehr davon."],
    leave: "Beenden",
    left_title: "Beendet",
    left: [
        "Sie bekommen nichts mehr von: ",
        ". Eine Nachricht, die schon unterwegs ist, kann noch ankommen.",
    ],
    join_title: "Mitmachen?",
    join_ask: ["Mit dem Knopf machen Sie mit bei: ", "."],
    join: "Mitmachen",
    joined_title: "Sie sind dabei",
    joined: ["Von jetzt an machen Sie mit bei: ", "."],
    not_open_title: "Mitmachen ist nicht möglich",
    not_open: "Dieses Angebot ist nicht mehr offen. Es hat sich nichts geändert.",
    confirm_title: "Bitte bestätigen",
    confirm_ask: ["Mit dem Knopf stimmen Sie Nachrichten zu diesem Zweck zu: ", "."],
    confirm: "Ich stimme zu",
    confirmed_title: "Danke, Sie sind angemeldet",
    confirmed: "Ihre Zustimmung ist gespeichert. Sie können sie jederzeit mit dem Link in jeder Nachricht widerrufen.",
    confirmed_before: "Sie hatten das schon bestätigt, und es gilt weiterhin. Sie können es jederzeit mit dem Link in jeder Nachricht widerrufen.",
    confirm_over_title: "Dieser Link gilt nicht mehr",
    confirm_over: "Er wurde durch einen neueren ersetzt, oder Sie haben sich inzwischen abgemeldet. Es hat sich nichts geändert.",
    nothing_changes_yet: "Erst wenn Sie darauf drücken, ändert sich etwas.",
    later_title: "Bitte versuchen Sie es gleich noch einmal",
    later: "Wir konnten Ihre Wahl gerade nicht speichern, es hat sich nichts geändert. Bitte gehen Sie zurück und drücken Sie noch einmal auf den Knopf.",
    this_series: "diese Nachrichten",
};

impl Words {
    /// Of the customer's locale, or English.
    pub fn of(locale: Option<&str>) -> &'static Self {
        let known = |tag: String| match tag.as_str() {
            "de" => Some(&GERMAN),
            "en" => Some(&ENGLISH),
            _ => None,
        };
        locale
            .into_iter()
            .flat_map(locale::ranges)
            .find_map(known)
            .unwrap_or(&ENGLISH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_language_speaks_and_english_for_the_rest() {
        for (locale, tag) in [
            (Some("de-AT"), "de"),
            (Some("en-GB"), "en"),
            (Some("fr"), "en"),
            (Some("nonsense"), "en"),
            (None, "en"),
        ] {
            assert_eq!(Words::of(locale).tag, tag, "{locale:?}");
        }
    }
}
