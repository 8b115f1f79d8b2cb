//! Schedules: what happens by itself, at the times that five cron fields name in a zone.

use super::{Code, report::Report};
use crate::{api::touchpoint::Inbound as InboundSpec, clock::Micros, expression::time};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Words for whole rules; cron knows more of them, which are no times.
const WORDS: [&str; 5] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];

/// A schedule that comes at some time.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The cron fields and the zone, as text: another text is another schedule.
    pub rule: String,
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Its last instant after `since` and up to `until`. Local times in a gap move forward; of two in an overlap the first counts.
    pub fn last(&self, since: Micros, until: Micros) -> Option<Micros> {
        let found = self.cron.find_previous_occurrence(&self.zoned(until)?, true).ok()?;
        let at = found.timestamp().as_microsecond();
        (since < at && at <= until).then_some(at)
    }

    /// Its first instant after `after`.
    pub fn next(&self, after: Micros) -> Option<Micros> {
        let found = self.cron.find_next_occurrence(&self.zoned(after)?, false).ok()?;
        Some(found.timestamp().as_microsecond()).filter(|at| *at > after)
    }

    fn zoned(&self, at: Micros) -> Option<Zoned> {
        Some(Timestamp::from_microsecond(at).ok()?.to_zoned(self.zone.clone()))
    }
}

/// What is wrong with it is in the report.
pub fn schedule(report: &mut Report, rule: &str, spec: &InboundSpec) -> Option<Schedule> {
    let more = [
        ("from", spec.from.is_some()),
        ("customer", spec.customer.is_some()),
        ("alsoKnownAs", spec.also_known_as.is_some()),
        ("schema", spec.schema.is_some()),
        ("attributes", spec.attributes.is_some()),
        ("consent", spec.consent.is_some()),
    ];
    for (field, _) in more.iter().filter(|(_, is_there)| *is_there) {
        report.error(
            Code::ScheduleSaysMore,
            format!("spec.inbound.{field}"),
            format!("what happens by the clock has no {field}"),
            "leave it out, or name an event instead of a schedule".to_owned(),
        );
    }
    let name = spec.time_zone.as_ref().map_or("UTC", |zone| zone.as_str());
    let zone = time::zone(name);
    if zone.is_none() {
        report.error(
            Code::ScheduleZoneUnknown,
            "spec.inbound.timeZone",
            format!("there is no zone '{name}'"),
            "write an IANA name such as Europe/Vienna".to_owned(),
        );
    }
    let cron = read(rule);
    if let Err(why) = &cron {
        report.error(
            Code::ScheduleUnreadable,
            "spec.inbound.schedule",
            format!("'{rule}' is no schedule: {why}"),
            "write minute hour day month weekday, such as 0 9 * * MON-FRI".to_owned(),
        );
    }
    let schedule = Schedule {
        rule: format!("{rule} {name}"),
        cron: cron.ok()?,
        zone: zone?,
    };
    (!report.failed()).then_some(schedule)
}

fn read(rule: &str) -> Result<Cron, String> {
    if rule.starts_with('@') && !WORDS.contains(&rule) {
        return Err(format!("the words are {}", WORDS.join(", ")));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed);
    let cron = parser.build().parse(rule).map_err(|error| error.to_string())?;
    let epoch = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron.find_next_occurrence(&epoch, false) {
        Ok(_) => Ok(cron),
        Err(_) => Err("it never comes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(rule: &str, zone: &str) -> Schedule {
        Schedule {
            rule: rule.into(),
            cron: read(rule).unwrap(),
            zone: time::zone(zone).unwrap(),
        }
    }

    fn at(text: &str) -> Micros {
        time::instant(text).unwrap()
    }

    #[test]
    fn a_schedule_comes_by_the_clock_on_the_wall_of_its_zone() {
        for (rule, zone, after, next) in [
            (
                "0 9 1 * *",
                "Europe/Vienna",
                "2026-03-02T10:00:00Z",
                "2026-04-01T07:00:00Z",
            ),
            ("0 9 * * MON-FRI", "UTC", "2026-03-06T09:00:00Z", "2026-03-09T09:00:00Z"),
            ("*/15 * * * *", "UTC", "2026-03-06T09:01:00Z", "2026-03-06T09:15:00Z"),
            (
                "@daily",
                "America/New_York",
                "2026-03-06T09:01:00Z",
                "2026-03-07T05:00:00Z",
            ),
            ("0 9 L * *", "UTC", "2026-02-02T00:00:00Z", "2026-02-28T09:00:00Z"),
            ("0 9 * * MON#1", "UTC", "2026-03-03T00:00:00Z", "2026-04-06T09:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-03-03T00:00:00Z", "2028-02-29T00:00:00Z"),
            // In Vienna 02:30 is left out on 2026-03-29, and comes twice on 2026-10-25.
            (
                "30 2 * * *",
                "Europe/Vienna",
                "2026-03-28T12:00:00Z",
                "2026-03-29T01:00:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Vienna",
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Vienna",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
        ] {
            let schedule = compiled(rule, zone);
            let found = schedule.next(at(after)).unwrap();
            assert_eq!(time::show_instant(found).unwrap(), next, "{rule} {zone}");
            assert_eq!(schedule.last(at(after), found), Some(found), "{rule} {zone}");
            assert_eq!(schedule.last(found, found), None, "{rule} {zone}: once");
            assert_eq!(schedule.last(at(after), found - 1), None, "{rule} {zone}: not before");
        }
    }

    #[test]
    fn of_what_was_missed_the_last_counts() {
        let schedule = compiled("0 * * * *", "UTC");
        let (since, until) = (at("2026-03-06T09:10:00Z"), at("2026-03-06T13:20:00Z"));
        assert_eq!(schedule.last(since, until), Some(at("2026-03-06T13:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (rule, says) in [
            ("every monday", "no schedule"),
            ("0 25 * * *", "no schedule"),
            ("0 0 30 2 *", "it never comes"),
            ("0 0 9 * * *", "no schedule"),
            ("@reboot", "the words are @hourly"),
            ("", "no schedule"),
        ] {
            let mut report = Report::new("Touchpoint", "tick");
            let spec: InboundSpec = serde_json::from_value(serde_json::json!({"schedule": rule})).unwrap();
            assert!(schedule(&mut report, rule, &spec).is_none(), "{rule}");
            assert!(report.found[0].message.contains(says), "{}", report.found[0].message);
        }
    }
}
