//! Touchpoints: what comes in becomes rules for the gateway, what goes out becomes templates for the dispatcher.

use super::{
    Code, ConsentRule, Inbound, Reply, adapter,
    content::{Content, content},
    report::{Report, instead},
    schema, signals,
    value::{cel, is_rewritten_key, scalar, span, text_with_cel},
    world::{World, field, yaml_keys},
};
use crate::{
    api::touchpoint::{Inbound as InboundSpec, Outbound as OutboundSpec},
    engine::{program::Outbound, response::Response},
    expression::{self, Field, Layout, OnMissing, Place, Scope, Type},
    keys::ANONYMOUS,
    policy::{Basis, Purpose},
};
use std::{collections::BTreeSet, sync::Arc};

/// An inbound touchpoint; what is wrong with it is in the report.
pub fn inbound(
    report: &mut Report,
    world: &World<'_>,
    name: &str,
    event_name: &str,
    spec: &InboundSpec,
) -> Option<Inbound> {
    for (n, from) in spec.from.iter().flatten().enumerate() {
        let path = format!("spec.inbound.from[{n}]");
        match world.manifests.adapters.get(from.as_str()) {
            Some(adapter) if adapter.http.is_some() => {}
            Some(_) => report.error(
                Code::AdapterSends,
                path,
                format!("adapter '{from}' sends: nothing comes in by it"),
                "name an adapter with http".to_owned(),
            ),
            None => {
                let known = world
                    .manifests
                    .adapters
                    .iter()
                    .filter(|(_, adapter)| adapter.http.is_some())
                    .map(|(name, _)| name.as_str());
                report.error(
                    Code::UnknownSource,
                    path,
                    format!("there is no adapter '{from}'"),
                    instead(from.as_str(), known, "make a ChannelAdapter with http"),
                );
            }
        }
    }
    let validator = spec.schema.as_ref().and_then(|schema| match schema::compile(schema) {
        Ok(validator) => Some(validator),
        Err((message, help)) => {
            report.error(Code::SchemaInvalid, "spec.inbound.schema", message, help);
            None
        }
    });
    if let Some(validator) = &validator {
        for (n, sample) in spec.samples.iter().enumerate() {
            if let Err(error) = validator.validate(sample) {
                let place = error.instance_path().to_string();
                let message = format!(
                    "the sample breaks the schema: {error}{}",
                    if place.is_empty() {
                        String::new()
                    } else {
                        format!(" at {place}")
                    }
                );
                report.error(
                    Code::SampleBreaksSchema,
                    format!("spec.inbound.samples[{n}]"),
                    message,
                    None,
                );
            }
        }
    }

    let event = field("event", Type::object(world.event(name).unwrap_or_default()), false);
    let (alone, with_customer) = (
        Scope {
            roots: vec![event.clone()],
        },
        Scope {
            roots: vec![world.customer.clone(), event],
        },
    );
    let mut layout = Layout::default();
    let place = Place {
        scope: &alone,
        wants: Some(Type::TEXT),
        missing: OnMissing::Missing,
    };
    let customer = spec.customer.as_ref().and_then(|source| {
        let program = cel(report, "spec.inbound.customer", source.as_str(), &place, &mut layout)?;
        let kind = identifier(report, "spec.inbound.customer", source.as_str(), &program, &layout)?;
        Some((program, kind))
    });
    if spec.customer.is_none() {
        news(report, spec);
    }
    let also_known_as = also_known_as(report, world, spec, &place, &mut layout);

    let attributes = spec.attributes.iter().flatten().filter_map(|(attribute, value)| {
        let path = format!("spec.inbound.attributes.{attribute}");
        let program = assignment(report, &path, world, attribute, value, &with_customer, &mut layout)?;
        Some((attribute.clone(), program))
    });
    let attributes = attributes.collect();

    let mut consent = vec![];
    for (n, rule) in spec.consent.iter().flatten().enumerate() {
        known_purpose(
            report,
            world,
            format!("spec.inbound.consent[{n}].purpose"),
            rule.purpose.as_str(),
        );
        let place = Place {
            scope: &alone,
            wants: Some(Type::Bool),
            missing: OnMissing::Missing,
        };
        let granted = cel(
            report,
            &format!("spec.inbound.consent[{n}].granted"),
            rule.granted.as_str(),
            &place,
            &mut layout,
        );
        consent.extend(granted.map(|granted| ConsentRule {
            purpose: rule.purpose.to_string(),
            channel: rule.channel.as_ref().map(ToString::to_string),
            granted,
            notice: rule.notice.as_ref().map(ToString::to_string),
        }));
    }
    let reply = reply(report, world, name, spec, &alone, &mut layout);
    (!report.failed()).then_some(())?;
    let (customer, identifier) = customer.unzip();
    Some(Inbound {
        touchpoint: name.into(),
        event: event_name.into(),
        from: spec
            .from
            .as_ref()
            .map(|from| from.iter().map(ToString::to_string).collect()),
        layout,
        customer,
        identifier: identifier.unwrap_or_default(),
        also_known_as,
        schema: validator,
        attributes,
        consent,
        reply,
    })
}

/// What customers answer by this touchpoint.
fn reply(
    report: &mut Report,
    world: &World<'_>,
    name: &str,
    spec: &InboundSpec,
    scope: &Scope,
    layout: &mut Layout,
) -> Option<Reply> {
    let reply = spec.reply.as_ref()?;
    for (n, purpose) in reply.purposes.iter().flatten().enumerate() {
        known_purpose(
            report,
            world,
            format!("spec.inbound.reply.purposes[{n}]"),
            purpose.as_str(),
        );
    }
    let place = Place {
        scope,
        wants: Some(Type::TEXT),
        missing: OnMissing::Missing,
    };
    let text = cel(report, "spec.inbound.reply.text", reply.text.as_str(), &place, layout)?;
    let named = reply.purposes.as_ref();
    let purposes = named.map(|purposes| purposes.iter().map(ToString::to_string).collect());
    let touchpoint = world.manifests.touchpoints.get(name);
    Some(Reply {
        text,
        channel: touchpoint.map_or_else(String::new, |touchpoint| touchpoint.channel.to_string()),
        purposes: purposes.unwrap_or_else(|| signals::refusable(world.manifests)),
    })
}

/// Reports a purpose that no policy has.
fn known_purpose(report: &mut Report, world: &World<'_>, path: String, purpose: &str) {
    let purposes = purposes(world);
    if !purposes.contains(purpose) {
        let help = instead(
            purpose,
            purposes.iter().copied(),
            "name it in the purposes of a PrivacyPolicy",
        );
        report.error(
            Code::UnknownPurpose,
            path,
            format!("no PrivacyPolicy has a purpose '{purpose}'"),
            help,
        );
    }
}

/// News is about nobody, so it teaches nothing of anybody.
fn news(report: &mut Report, spec: &InboundSpec) {
    for (field, is_there) in [
        ("attributes", spec.attributes.is_some()),
        ("consent", spec.consent.is_some()),
        ("reply", spec.reply.is_some()),
        ("alsoKnownAs", spec.also_known_as.is_some()),
    ] {
        if is_there {
            report.error(
                Code::NewsOfNobody,
                format!("spec.inbound.{field}"),
                format!("without customer it is news: it tells of no customer, and so teaches no {field}"),
                "say whose event it is: customer, or leave this out".to_owned(),
            );
        }
    }
}

/// A value for an attribute of the profile, by its type: used by `attributes` and `set`.
pub fn assignment(
    report: &mut Report,
    path: &str,
    world: &World<'_>,
    attribute: &str,
    value: &crate::api::opaque::Scalar,
    scope: &Scope,
    layout: &mut Layout,
) -> Option<expression::Program> {
    if is_rewritten_key(attribute) {
        report.error(
            Code::KeyWasRewritten,
            path,
            format!("an attribute cannot be called {attribute}"),
            yaml_keys(),
        );
        return None;
    }
    let Some(known) = world.profile.attributes.get(attribute) else {
        let help = instead(
            attribute,
            world.attribute_names(),
            "add it to the attributes of the CustomerProfile",
        );
        report.error(
            Code::UnknownAttribute,
            path,
            format!("the CustomerProfile has no attribute '{attribute}'"),
            help,
        );
        return None;
    };
    if known.is.is_some() {
        report.error(
            Code::DerivedIsAssigned,
            path,
            format!("customer.{attribute} is derived: only its `is` in the CustomerProfile gives it a value"),
            "assign what it reads".to_owned(),
        );
        return None;
    }
    let place = Place {
        scope,
        wants: Some(known.ty.clone()),
        missing: OnMissing::Missing,
    };
    scalar(report, path, value, &place, layout)
}

/// Purposes that any policy names.
pub fn purposes<'m>(world: &World<'m>) -> BTreeSet<&'m str> {
    world
        .manifests
        .policies
        .values()
        .flat_map(|policy| &policy.purposes)
        .map(|purpose| purpose.name.as_str())
        .collect()
}

/// Identifiers that an event joins to its customer.
fn also_known_as(
    report: &mut Report,
    world: &World<'_>,
    spec: &InboundSpec,
    place: &Place<'_>,
    layout: &mut Layout,
) -> Vec<(expression::Program, String)> {
    let public = |name: &&crate::api::text::Name| {
        let adapter = world.manifests.adapters.get(name.as_str());
        adapter
            .and_then(|adapter| adapter.http.as_ref())
            .is_some_and(|http| http.public)
    };
    let public = spec.from.iter().flatten().find(public);
    let mut all = vec![];
    for (n, source) in spec.also_known_as.iter().flatten().enumerate() {
        let path = format!("spec.inbound.alsoKnownAs[{n}]");
        let Some(program) = cel(report, &path, source.as_str(), place, layout) else {
            continue;
        };
        let Some(kind) = identifier(report, &path, source.as_str(), &program, layout) else {
            continue;
        };
        if let Some(public) = public
            && kind != ANONYMOUS
        {
            let message = format!("the key of adapter '{public}' is public: it may join anonymous ids only");
            let help = "write event.anonymousId, or take the adapter out of from".to_owned();
            report.error(Code::PublicKeyJoins, path, message, help);
            continue;
        }
        all.push((program, kind));
    }
    all
}

/// The kind of the identifier is the last name of the path; a computed value has none.
fn identifier(
    report: &mut Report,
    path: &str,
    source: &str,
    program: &expression::Program,
    layout: &Layout,
) -> Option<String> {
    let last = match program.reads() {
        [slot] => layout.path(*slot).segments.last(),
        _ => None,
    };
    let path_alone = source.chars().all(|c| c.is_alphanumeric() || "._[]'\"- ".contains(c));
    if last.is_none() || !path_alone {
        let message = "the kind of the identifier is the name of what is read, and this is not a path alone";
        report.error(
            Code::IdentifierIsComputed,
            path,
            message,
            "write event.userId, event.anonymousId or another property".to_owned(),
        );
        return None;
    }
    last.cloned()
}

/// What surrounds an outbound touchpoint where it is compiled.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// What every sender gives in `with`; None: nobody sends it yet.
    pub with: Option<BTreeSet<String>>,
    /// The purpose as the policies have it; None: none does.
    pub purpose: Option<&'a Purpose>,
    /// Whether every journey that sends it lets customers leave.
    pub leaves: bool,
}

/// An outbound touchpoint; what is wrong with it is in the report.
pub fn outbound(
    report: &mut Report,
    world: &World<'_>,
    name: &str,
    channel: &str,
    spec: &OutboundSpec,
    around: &Surroundings<'_>,
    layout: &mut Layout,
) -> Option<Outbound> {
    let adapter = sending_adapter(report, world, spec);
    let scope = Scope {
        roots: vec![world.customer.clone()],
    };
    let to = spec.to.as_ref().and_then(|to| {
        let place = Place {
            scope: &scope,
            wants: Some(Type::TEXT),
            missing: OnMissing::Missing,
        };
        text_with_cel(report, "spec.outbound.to", to.as_str(), &place, layout)
    });
    if let (Some(to), Some(purpose)) = (&to, around.purpose) {
        let reads = attributes_read(to, layout);
        allowed(
            report,
            "spec.outbound.to",
            reads.iter().map(String::as_str),
            &spec.purpose.0,
            purpose,
        );
    }

    let Content {
        fields: content,
        translations,
        survey,
        links,
        unsubscribes,
        prefers,
        confirms,
        chooses,
    } = content(report, world, spec, around);
    super::confirm::content(report, world, name, confirms);
    if let Some(adapter) = adapter {
        adapter::fits(report, &spec.adapter.0, adapter, spec);
        let consent = around.purpose.is_some_and(|purpose| purpose.basis == Basis::Consent);
        if consent {
            let answers = signals::hears_answers(world.manifests, channel, spec.purpose.as_str());
            super::lint::unsubscribe(report, adapter, spec.purpose.as_str(), unsubscribes || answers);
        }
        if super::public_url(world.manifests).is_none() {
            let why = if adapter.smtp.is_some() && consent {
                Some(format!(
                    "a mail for '{}', whose basis is Consent, must carry an unsubscribe link (RFC 8058)",
                    spec.purpose
                ))
            } else if survey.is_some() {
                Some("a survey leads to a page of the gateway".to_owned())
            } else if links {
                Some("link() makes tracked links".to_owned())
            } else if unsubscribes {
                Some("unsubscribe_link() names a page of the gateway".to_owned())
            } else if prefers {
                Some("preferences_link() names a page of the gateway".to_owned())
            } else if confirms {
                Some("confirm_link() names a page of the gateway".to_owned())
            } else if chooses {
                Some("leave_link() and join_link() name pages of the gateway".to_owned())
            } else {
                None
            };
            if let Some(why) = why {
                let message = format!("{why}, and no http adapter of the namespace has a publicUrl");
                report.error(
                    Code::NoPublicUrl,
                    "spec.outbound.adapter",
                    message,
                    "add publicUrl to a ChannelAdapter with http".to_owned(),
                );
            }
        }
    }
    let response = response(report, world, spec);
    let time_to_live = match &spec.time_to_live {
        Some(text) => Some(span(report, "spec.outbound.timeToLive", text)?),
        None => None,
    };
    let stay = super::stay::stay(report, world, spec);
    (!report.failed()).then(|| Outbound {
        touchpoint: name.into(),
        channel: channel.into(),
        adapter: spec.adapter.to_string(),
        purpose: spec.purpose.to_string(),
        to,
        content,
        translations,
        response,
        survey,
        time_to_live,
        stay,
    })
}

/// What is kept of the provider's answer.
fn response(report: &mut Report, world: &World<'_>, spec: &OutboundSpec) -> Option<Arc<Response>> {
    let (path, schema) = ("spec.outbound.response", spec.response.as_ref()?);
    let adapter = world.manifests.adapters.get(spec.adapter.as_str());
    if adapter.is_some_and(|adapter| adapter.webhook.is_none()) {
        let message = format!("adapter '{}' gets no answer: only a webhook does", spec.adapter);
        report.error(Code::AnswerOfNoWebhook, path, message, "leave response out".to_owned());
        return None;
    }
    if schema["type"] != "object" {
        let help = "write type: object".to_owned();
        report.error(
            Code::AnswerNoObject,
            path,
            "what is kept of an answer is an object",
            help,
        );
        return None;
    }
    match schema::compile(schema) {
        Ok(validator) => Some(Arc::new(Response::new(schema.clone(), validator))),
        Err((message, help)) => {
            report.error(Code::SchemaInvalid, path, message, help);
            None
        }
    }
}

fn sending_adapter<'m>(
    report: &mut Report,
    world: &World<'m>,
    spec: &OutboundSpec,
) -> Option<&'m crate::api::ChannelAdapterSpec> {
    let (path, name) = ("spec.outbound.adapter", spec.adapter.as_str());
    match world.manifests.adapters.get(name) {
        Some(adapter) if adapter.http.is_none() => Some(adapter),
        Some(_) => {
            let message = format!("adapter '{name}' takes events in: it cannot send");
            report.error(
                Code::AdapterTakesIn,
                path,
                message,
                "name an adapter with smtp, webhook or log".to_owned(),
            );
            None
        }
        None => {
            let known = world
                .manifests
                .adapters
                .iter()
                .filter(|(_, adapter)| adapter.http.is_none())
                .map(|(name, _)| name.as_str());
            let help = instead(name, known, "make a ChannelAdapter with smtp, webhook or log");
            report.error(
                Code::UnknownAdapter,
                path,
                format!("there is no adapter '{name}'"),
                help,
            );
            None
        }
    }
}

/// Reports what the purpose does not allow to be read.
pub fn allowed<'a>(
    report: &mut Report,
    path: &str,
    reads: impl Iterator<Item = &'a str>,
    name: &str,
    purpose: &Purpose,
) {
    for attribute in reads.filter(|attribute| !purpose.attributes.contains(*attribute)) {
        let message = format!("purpose '{name}' does not allow customer.{attribute}");
        report.error(
            Code::AttributeNotAllowed,
            path,
            message,
            format!("add {attribute} to the purpose's attributes in the PrivacyPolicy, or do without"),
        );
    }
}

/// Attributes of the customer that a program reads, without `id`.
pub fn attributes_read(program: &expression::Program, layout: &Layout) -> BTreeSet<String> {
    let paths = program.reads().iter().map(|slot| &layout.path(*slot).segments);
    paths
        .filter(|path| path[0] == "customer")
        .filter_map(|path| path.get(1))
        .filter(|name| *name != "id")
        .cloned()
        .collect()
}

/// Names that steps give in `with`.
pub fn readable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The roots at a step.
pub fn scope(roots: &[&Field]) -> Scope {
    Scope {
        roots: roots.iter().map(|root| (*root).clone()).collect(),
    }
}
