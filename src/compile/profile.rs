//! The CustomerProfile: attributes with their types, what follows from them (`is`), and the rule for a customer's zone.
//!
//! Derived attributes and the zone may read each other, never in a circle: `nextTime()` and `daysBetween()` read the zone, and the zone may
//! read derived attributes.

use super::{
    Code,
    report::Report,
    value::{cel, is_rewritten_key},
    world::{field, values},
};
use crate::{
    api::{
        customer_profile::{Attribute as AttributeSpec, AttributeType, CustomerProfileSpec},
        text::Expr,
    },
    engine::{
        Known,
        program::{Attribute, Derived, OfCustomer, Profile},
    },
    expression::{self, Field, Layout, OnMissing, Place, Scope, Type, time},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Derived attributes that one may stand on, directly or not: each costs an evaluation.
const MOST_BELOW: usize = 16;
/// What stands for the zone among the names of attributes; none is called so.
const ZONE: &str = "";

/// What a profile makes known.
pub struct Found {
    pub profile: Profile,
    /// The fields of `customer`.
    pub fields: Vec<Field>,
    /// Whether a customer's zone may be unknown.
    pub zone_may_be_missing: bool,
}

pub fn compile(report: &mut Report, spec: &CustomerProfileSpec) -> Found {
    let mut fields = vec![field("id", Type::TEXT, false)];
    let mut profile = Profile::default();
    for (name, of) in &spec.attributes {
        let attribute = attribute(report, name, of);
        let may_be_missing = match (&attribute.is, &attribute.ty) {
            (None, _) => attribute.default.is_none(),
            // Over a missing value it is false.
            (Some(_), Type::Bool) => false,
            // What is computed may be none of its values.
            (Some(_), Type::Text(Some(_))) => true,
            (Some(_), _) => false,
        };
        fields.push(field(name, attribute.ty.clone(), may_be_missing));
        profile.attributes.insert(name.clone(), attribute);
    }
    let scope = Scope {
        roots: vec![field("customer", Type::object(fields.clone()), false)],
    };
    derive(report, spec, &scope, &mut profile);
    let mut rule = |path: &str, source: &Expr, wants: Type| {
        let mut layout = Layout::default();
        let place = Place {
            scope: &scope,
            wants: Some(wants),
            missing: OnMissing::Missing,
        };
        let program = cel(report, path, source.as_str(), &place, &mut layout)?;
        Some(OfCustomer { layout, program })
    };
    let mut given = |path: &str, source: &Option<Expr>, wants: Type| rule(path, source.as_ref()?, wants);
    profile.zone = given("spec.zone", &spec.zone, Type::TEXT);
    profile.locale = given("spec.locale", &spec.locale, Type::TEXT);
    profile.age = given("spec.age", &spec.age, Type::Int);
    order(report, &mut profile);
    for name in reads_personal(&profile) {
        if let Some(attribute) = profile.attributes.get_mut(&name) {
            attribute.personal = true;
        }
    }
    let mut timeless = |path: &str, rule: &Option<OfCustomer>| {
        rule.as_ref()
            .is_none_or(|rule| is_timeless(report, &profile, path, rule))
    };
    let (zone, locale) = (
        timeless("spec.zone", &profile.zone),
        timeless("spec.locale", &profile.locale),
    );
    profile.zone = profile.zone.filter(|_| zone);
    profile.locale = profile.locale.filter(|_| locale);
    let nobody = Known {
        profile: &profile,
        id: "",
        attributes: &Default::default(),
        now: 0,
    };
    let blank = nobody.zone_name();
    let zone_may_be_missing = spec.zone.is_none() || profile.zone.is_some() && blank.is_none();
    if let Some(name) = blank.filter(|name| time::zone(name).is_none()) {
        let message = format!("of a customer nobody knows it is '{name}', and there is no such time zone");
        let help = "name an IANA zone such as Europe/Vienna".to_owned();
        report.error(Code::ProfileZoneUnknown, "spec.zone", message, help);
    }
    Found {
        profile,
        fields,
        zone_may_be_missing,
    }
}

/// Compiles every `is`.
fn derive(report: &mut Report, spec: &CustomerProfileSpec, scope: &Scope, profile: &mut Profile) {
    for (name, of) in &spec.attributes {
        let (Some(source), Some(attribute)) = (&of.is, profile.attributes.get_mut(name)) else {
            continue;
        };
        let place = Place {
            scope,
            wants: Some(attribute.ty.clone()),
            missing: if attribute.ty == Type::Bool {
                OnMissing::False
            } else {
                OnMissing::Refuse
            },
        };
        let path = format!("spec.attributes.{name}.is");
        attribute.is = Some(Derived {
            program: cel(report, &path, source.as_str(), &place, &mut profile.layout),
            stands_on: vec![],
        });
    }
}

/// Names that a derived attribute, or the zone, reads.
fn reads(profile: &Profile, name: &str) -> BTreeSet<String> {
    let (layout, program) = if name == ZONE {
        let Some(zone) = &profile.zone else {
            return BTreeSet::new();
        };
        (&zone.layout, &zone.program)
    } else {
        let derived = profile.attributes.get(name).and_then(|of| of.is.as_ref());
        let Some(program) = derived.and_then(|derived| derived.program.as_ref()) else {
            return BTreeSet::new();
        };
        (&profile.layout, program)
    };
    let mut all = names(program, layout);
    all.extend(program.reads_zone().then(|| ZONE.to_owned()));
    all
}

/// Names below customer that an expression reads.
fn names(program: &expression::Program, layout: &Layout) -> BTreeSet<String> {
    let paths = program.reads().iter().map(|slot| &layout.path(*slot).segments);
    paths.filter_map(|path| path.get(1).cloned()).collect()
}

/// All that these attributes (and the zone, where it is read) stand on, themselves among it.
pub fn inputs(profile: &Profile, names: BTreeSet<String>, zone: bool) -> BTreeSet<String> {
    let mut open: Vec<String> = names.into_iter().chain(zone.then(|| ZONE.to_owned())).collect();
    let mut all = BTreeSet::new();
    while let Some(name) = open.pop() {
        if all.insert(name.clone()) {
            open.extend(reads(profile, &name));
        }
    }
    all.remove(ZONE);
    all
}

/// In which order derived attributes are made; a circle is told by its names, and makes all in it missing.
fn order(report: &mut Report, profile: &mut Profile) {
    let derived = profile.attributes.iter().filter(|(_, of)| of.is.is_some());
    let names: Vec<String> = derived.map(|(name, _)| name.clone()).chain([ZONE.to_owned()]).collect();
    let graph: BTreeMap<&str, BTreeSet<String>> =
        names.iter().map(|name| (name.as_str(), reads(profile, name))).collect();
    let mut search = Search {
        graph: &graph,
        path: vec![],
        closed: BTreeMap::new(),
        circles: vec![],
    };
    names.iter().for_each(|name| search.visit(name));
    let Search { closed, circles, .. } = search;
    let called = |name: &str| {
        if name == ZONE {
            "zone".to_owned()
        } else {
            format!("customer.{name}")
        }
    };
    for circle in &circles {
        let first = circle.iter().find(|name| *name != ZONE).map_or(ZONE, String::as_str);
        let at = circle.iter().position(|name| name == first).unwrap_or(0);
        let way: Vec<String> = circle[at..]
            .iter()
            .chain(&circle[..=at])
            .map(|name| called(name))
            .collect();
        let path = if first == ZONE {
            "spec.zone".to_owned()
        } else {
            format!("spec.attributes.{first}.is")
        };
        let message = format!("it follows from itself: {}", way.join(" reads "));
        report.error(
            Code::FollowsFromItself,
            path,
            message,
            "let one of them do without the other".to_owned(),
        );
    }
    let round: BTreeSet<&String> = circles.iter().flatten().collect();
    let is_round = |name: &String| round.contains(name);
    let mut orders: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for name in names.iter().filter(|name| *name != ZONE) {
        let below = closed.get(name).cloned().unwrap_or_default();
        if below.len() > MOST_BELOW {
            let path = format!("spec.attributes.{name}.is");
            let message = format!("it stands on {} other derived attributes", below.len());
            report.error(
                Code::StandsOnTooMany,
                path,
                message,
                format!("let it stand on {MOST_BELOW} at most"),
            );
        }
        orders.insert(name, below);
    }
    let broken: BTreeSet<String> = orders
        .iter()
        .filter(|(name, below)| is_round(name) || below.iter().any(is_round) || below.len() > MOST_BELOW)
        .map(|(name, _)| (*name).clone())
        .collect();
    if is_round(&ZONE.to_owned()) || reads(profile, ZONE).iter().any(|name| broken.contains(name)) {
        profile.zone = None;
    }
    for (name, stands_on) in orders {
        if let Some(is) = profile.attributes.get_mut(name).and_then(|of| of.is.as_mut()) {
            if broken.contains(name) {
                is.program = None;
            } else {
                is.stands_on = stands_on;
            }
        }
    }
}

/// A walk over who reads whom.
struct Search<'g> {
    graph: &'g BTreeMap<&'g str, BTreeSet<String>>,
    path: Vec<String>,
    /// Derived attributes below one, each after those below itself.
    closed: BTreeMap<String, Vec<String>>,
    circles: Vec<Vec<String>>,
}

impl Search<'_> {
    fn visit(&mut self, name: &str) {
        if let Some(at) = self.path.iter().position(|on| on == name) {
            self.circles.push(self.path[at..].to_vec());
            return;
        }
        if self.closed.contains_key(name) {
            return;
        }
        let Some(reads) = self.graph.get(name) else { return };
        self.path.push(name.to_owned());
        let mut below: Vec<String> = vec![];
        for read in reads.iter().filter(|read| self.graph.contains_key(read.as_str())) {
            self.visit(read);
            // The zone is asked for by itself: what it stands on is made then.
            let own = (read != ZONE).then(|| read.clone());
            let deeper = if read == ZONE {
                vec![]
            } else {
                self.closed.get(read).cloned().unwrap_or_default()
            };
            for one in deeper.into_iter().chain(own) {
                if !below.contains(&one) {
                    below.push(one);
                }
            }
        }
        self.path.pop();
        self.closed.insert(name.to_owned(), below);
    }
}

/// Derived attributes that say more than yes or no and read what is personal, directly or not.
fn reads_personal(profile: &Profile) -> Vec<String> {
    let personal = |name: &String| {
        profile
            .attributes
            .get(name)
            .is_some_and(|of| of.personal && of.is.is_none())
    };
    let of = |(name, attribute): (&String, &Attribute)| {
        let is = attribute.is.as_ref().filter(|_| attribute.ty != Type::Bool)?;
        let all = is.stands_on.iter().chain([name]);
        all.flat_map(|name| reads(profile, name))
            .any(|read| personal(&read))
            .then(|| name.clone())
    };
    profile.attributes.iter().filter_map(of).collect()
}

/// Quiet hours, `nextTime()` and `daysBetween()` ask for the zone at any moment and must hear the same; a language does not change by itself.
fn is_timeless(report: &mut Report, profile: &Profile, path: &str, rule: &OfCustomer) -> bool {
    let reads_now = |name: &String| {
        let is = profile.attributes.get(name).and_then(|of| of.is.as_ref());
        let all = is.into_iter().flat_map(|is| &is.stands_on).chain([name]);
        all.filter_map(|name| profile.attributes.get(name)?.is.as_ref()?.program.as_ref())
            .any(|program| program.reads_now())
    };
    let derived = names(&rule.program, &rule.layout).into_iter().find(reads_now);
    let reads = match derived {
        _ if rule.program.reads_now() => "now".to_owned(),
        _ if rule.program.reads_zone() => "the zone that it is to give".to_owned(),
        Some(name) => format!("customer.{name}, which follows from now"),
        None => return true,
    };
    let what = path.rsplit('.').next().unwrap_or(path);
    report.error(
        Code::ZoneOfTheMoment,
        path,
        format!("a {what} is the customer's and not the moment's: it cannot read {reads}"),
        "read attributes of customer only".to_owned(),
    );
    false
}

fn attribute(report: &mut Report, name: &str, spec: &AttributeSpec) -> Attribute {
    let path = format!("spec.attributes.{name}");
    let one = match spec.type_ {
        AttributeType::String => match &spec.values {
            Some(all) => values(all.iter().map(|value| value.as_str())),
            None => Type::TEXT,
        },
        AttributeType::Integer => Type::Int,
        AttributeType::Number => Type::Number,
        AttributeType::Boolean => Type::Bool,
        AttributeType::Timestamp => Type::Instant,
    };
    if is_rewritten_key(name) {
        report.error(
            Code::KeyWasRewritten,
            &path,
            format!("an attribute cannot be called {name}"),
            super::world::yaml_keys(),
        );
    } else if name == "id" {
        report.error(
            Code::ReservedAttribute,
            &path,
            "id is the customer's own: customer.id",
            "choose another name".to_owned(),
        );
    }
    let ty = if spec.list == Some(true) {
        Type::List(Box::new(one))
    } else {
        one
    };
    let default = spec
        .default
        .as_ref()
        .map(|default| &default.0)
        .filter(|default| match unfit(default, &ty) {
            Some(why) => {
                report.error(Code::DefaultUnfit, format!("{path}.default"), why, None);
                false
            }
            None => true,
        });
    if spec.is.is_some() && spec.default.is_some() {
        let message = "a derived attribute has no default: is gives its value";
        report.error(
            Code::DerivedWithDefault,
            format!("{path}.default"),
            message,
            "leave it out".to_owned(),
        );
    }
    Attribute {
        ty,
        personal: spec.personal == Some(true),
        default: default.cloned(),
        is: spec.is.as_ref().map(|_| Derived {
            program: None,
            stands_on: vec![],
        }),
    }
}

/// Why a JSON value is none of the type; None: it is.
fn unfit(value: &Value, ty: &Type) -> Option<String> {
    if let (Type::List(of), Value::Array(items)) = (ty, value) {
        return items.iter().find_map(|item| unfit(item, of));
    }
    if let (Type::Text(Some(allowed)), Value::String(text)) = (ty, value) {
        return (!allowed.contains(text)).then(|| format!("'{text}' is none of its values: {}", allowed.join(", ")));
    }
    let fits = expression::Value::of(value, ty) != expression::Value::Missing;
    (!fits).then(|| match ty {
        Type::Instant => "a timestamp is written like 2026-03-01T09:00:00Z".to_owned(),
        ty => format!("this is no {ty}"),
    })
}
