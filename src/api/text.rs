//! Strings with a shape, each a newtype: the shape is written once and is inlined into the CRD.
//!
//! `must` is a pattern that the API server explains in words (a CEL rule); `pattern` is one that readers of Kubernetes
//! know by sight.

use crate::{clock::Micros, expression::time::duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

macro_rules! text {
    ($($(#[doc = $doc:literal])* $name:ident {
        max: $max:literal $(, pattern: $pattern:literal)? $(, must: $must:literal, else: $message:literal)?
    })*) => {$(
        $(#[doc = $doc])*
        #[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text as it is written in the manifest.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(text.to_owned())
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                #[allow(unused_mut, reason = "not every text has a pattern or a rule")]
                let mut schema = json_schema!({"type": "string", "minLength": 1, "maxLength": $max});
                $(schema.insert("pattern".into(), $pattern.into());)?
                $(schema.insert("x-kubernetes-validations".into(), json!([{"rule": $must, "message": $message}]));)?
                schema
            }
        }
    )*};
}

/// A number from 0 to 100, or `${CEL}` that gives one for each customer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum Priority {
    Fixed(i32),
    PerCustomer(String),
}

impl JsonSchema for Priority {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Priority".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 2048, "x-kubernetes-validations": [{
            "rule": "string(self).matches('^([0-9]{1,2}|100|[$][{](?s:.+)[}])$')",
            "message": "priority is a number from 0 to 100, or \"${CEL}\""}]})
    }
}

impl Span {
    /// Microseconds, above zero: a text that breaks the shape's rule is zero, and the compiler refuses it.
    pub fn micros(&self) -> Micros {
        duration(&self.0).map_or(0, |length| length.max(0))
    }
}

text! {
    /// A DNS label: names of steps, goals, KPIs, exits, purposes, and of the objects they refer to.
    Name { max: 63, pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" }
    /// A word the owner chooses: team, channel, attribute.
    Word { max: 63, pattern: r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$" }
    /// A region, such as eu-central-1: the value of a node's label topology.kubernetes.io/region.
    Region { max: 63, pattern: r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$" }
    /// What a signal listens to: an inbound touchpoint, what became of a message, the end of a
    /// journey, or consent.
    EventRef {
        max: 80,
        must: r"self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(/(sent|skipped|failed|delivered|bounced|opened|clicked|replied|answered|shown|dismissed|ended|complained))?|journey/[a-z0-9]([-a-z0-9]*[a-z0-9])?|consent/(granted|pending|paused|withdrawn))$')",
        else: "an event is an inbound touchpoint (order-placed), what became of a message (TOUCHPOINT/ sent skipped failed delivered bounced opened clicked replied answered shown dismissed ended complained), the end of a journey (journey/NAME), or consent/ granted pending paused withdrawn"
    }
    /// The name of a question, as expressions read it.
    QuestionName {
        max: 63,
        must: "self.matches('^[A-Za-z][A-Za-z0-9_]*$') && !(self in ['id', 'time', 'true', 'false', 'null', 'in'])",
        else: "a question's name is a letter, then letters, digits and _; id and time are the event's own"
    }
    /// A CEL expression.
    Expr {
        max: 2048,
        must: "self != ''",
        else: "an expression must not be empty (YAML takes a leading ! for a tag: put the expression in quotes)"
    }
    /// A literal with `${CEL}` inside; a lone `${CEL}` keeps its type.
    Literal { max: 4096 }
    /// A Jinja template.
    Template { max: 100000 }
    /// Plain text of one or a few lines.
    Line { max: 512 }
    /// A duration of days (of 24 h), hours, minutes and seconds, in that order; never zero.
    Span {
        max: 24,
        must: r"self.matches('^([1-9][0-9]{0,4}d)?([1-9][0-9]{0,5}h)?([1-9][0-9]{0,6}m)?([1-9][0-9]{0,7}s)?$')",
        else: "a duration is written like 90s, 15m, 36h, 14d or 1d12h, and is not zero"
    }
    /// 0% to 100%, with up to four decimals.
    Percent {
        max: 9,
        must: r"self.matches('^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?)%$')",
        else: "a percentage is written like \"8%\" or \"0.5%\", from 0% to 100%"
    }
    /// What a KPI is compared with: a percentage, a decimal or a duration.
    Quantity {
        max: 24,
        must: r"self.matches('^(-?[0-9]{1,12}(\\.[0-9]{1,6})?%?|([1-9][0-9]{0,4}d)?([1-9][0-9]{0,5}h)?([1-9][0-9]{0,6}m)?([1-9][0-9]{0,7}s)?)$')",
        else: "a target is a percentage (\"8%\"), a decimal (\"30\", \"-0.5\") or a duration (24h)"
    }
    /// HH:MM
    Clock {
        max: 5,
        must: "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",
        else: "a time of day is written \"08:00\", from \"00:00\" to \"23:59\""
    }
    /// Five cron fields, or a word for them.
    Cron {
        max: 100,
        must: r"self.matches('^(@(hourly|daily|weekly|monthly|yearly)|[-0-9*/,]+ [-0-9*/,]+ [-0-9*/,?LW]+ [-0-9A-Z*/,]+ [-0-9A-Z*/,?L#]+)$')",
        else: "a schedule has five cron fields (minute hour day month weekday), or is @hourly @daily @weekly @monthly @yearly"
    }
    /// `Customer`, or an IANA zone.
    Zone {
        max: 64,
        must: "self.matches('^(Customer|UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2})$')",
        else: "a zone is Customer, UTC or an IANA zone such as Europe/Vienna"
    }
    /// An http(s) address without credentials in it.
    Url {
        max: 2048,
        must: r"self.matches('^https?://[^\\s/@?#]+([/?#]\\S*)?$')",
        else: "an address is http:// or https:// and has no user or password in it: use auth"
    }
    /// Name of a Secret of the same namespace, a DNS subdomain; it is part of the path the Secret is mounted at.
    SecretName { max: 253, pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" }
    /// A key in a Secret, the name of the file it is mounted as.
    SecretKey { max: 253, pattern: r"^[-_a-zA-Z0-9]([-._a-zA-Z0-9]*[-_a-zA-Z0-9])?$" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR, MINUTE, SECOND};

    #[test]
    fn a_span_is_days_of_24_hours_hours_minutes_and_seconds_and_never_below_zero() {
        for (text, micros) in [
            ("90s", 90 * SECOND),
            ("15m", 15 * MINUTE),
            ("1d12h", 36 * HOUR),
            ("99999d", 99_999 * DAY),
            ("soon", 0),
            ("-1h", 0),
        ] {
            assert_eq!(Span::from(text).micros(), micros, "{text}");
        }
    }
}
