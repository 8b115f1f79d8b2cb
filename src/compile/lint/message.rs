//! Messages that cannot be unsubscribed from, and messages that wait until they are stale.

use crate::{
    api::ChannelAdapterSpec,
    clock::{MINUTE, Micros},
    compile::{Code, report::Report},
    engine::program::Outbound,
    policy::{EffectivePolicy, Quiet, QuietThen},
    template,
};

/// Who may say yes may say no again: what rests on consent tells how (GDPR article 7(3)). A mail carries the link in its header; content may have it,
/// or an answer on the channel is understood.
pub fn unsubscribe(report: &mut Report, adapter: &ChannelAdapterSpec, purpose: &str, has_another_way: bool) {
    let Some(webhook) = &adapter.webhook else { return };
    let body = webhook.body.as_ref().is_some_and(|body| {
        let place = template::Place {
            any_content: true,
            any_with: true,
            to: true,
            ..template::Place::default()
        };
        template::compile(body.as_str(), &place).is_ok_and(|body| body.unsubscribes())
    });
    if !has_another_way && !body {
        let message = format!("purpose '{purpose}' rests on consent, and this message tells no way to withdraw it");
        let help = "write {{ unsubscribe_link() }} in the content, or in the adapter's body; where people can answer, take answers in by a touchpoint with reply".to_owned();
        report.warning(Code::NoUnsubscribe, "spec.outbound.content", message, help);
    }
}

/// A message that is held through the night must live through it.
pub fn quiet(report: &mut Report, policy: &EffectivePolicy, outbound: &Outbound) {
    let Some(lives) = outbound.time_to_live else { return };
    let holds = |quiet: &&Quiet| {
        quiet.then == QuietThen::Delay
            && quiet
                .purposes
                .as_ref()
                .is_none_or(|purposes| purposes.contains(&outbound.purpose))
    };
    let longest = policy.quiet.iter().filter(holds).max_by_key(|quiet| length(quiet));
    if let Some(quiet) = longest
        && length(quiet) >= lives
    {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let message = format!(
            "what is asked for at {} is held until {} and is over by then: timeToLive is shorter than the quiet hours",
            clock(quiet.from),
            clock(quiet.to)
        );
        let help = "make timeToLive longer than the quiet hours, or leave it out".to_owned();
        report.warning(Code::QuietOutlives, "spec.outbound.timeToLive", message, help);
    }
}

fn length(quiet: &Quiet) -> Micros {
    const DAY: u16 = 24 * 60;
    let minutes = (quiet.to + DAY - quiet.from) % DAY;
    Micros::from(minutes) * MINUTE
}
