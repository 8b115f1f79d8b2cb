//! What a message says: its templates, in every language, held to what the sender gives and the purpose allows.

use super::{
    Code, block,
    report::{Report, instead},
    touchpoint::{Surroundings, allowed},
    value::is_rewritten_key,
    world::World,
};
use crate::{
    api::touchpoint::Outbound as OutboundSpec,
    locale,
    policy::Basis,
    survey::Survey,
    template::{self, Template, include::Missing},
};
use std::collections::BTreeMap;

/// The compiled content of a message, and what its templates ask for.
#[derive(Debug, Default)]
pub struct Content {
    pub fields: BTreeMap<String, Template>,
    /// By language tag in lower case.
    pub translations: BTreeMap<String, BTreeMap<String, Template>>,
    /// What is asked instead.
    pub survey: Option<Survey>,
    /// Whether any of them makes tracked links, or names the unsubscribe page.
    pub links: bool,
    pub unsubscribes: bool,
    /// Whether any of them names the preference centre, or the page that confirms a consent.
    pub prefers: bool,
    pub confirms: bool,
    /// Whether any of them names a page on which a journey is left or joined.
    pub chooses: bool,
}

/// Compiles the content and its translations; what is wrong with them is in the report.
pub fn content(report: &mut Report, world: &World<'_>, spec: &OutboundSpec, around: &Surroundings<'_>) -> Content {
    let mut maker = Maker {
        report,
        world,
        spec,
        around,
        sound: true,
        made: Content::default(),
    };
    maker.includes();
    for (field, source) in &spec.content {
        let path = format!("spec.outbound.content.{field}");
        if let Some(template) = maker.template(&path, field, source.as_str()) {
            maker.made.fields.insert(field.clone(), template);
        }
    }
    match &spec.survey {
        Some(survey) => {
            maker.language_is_known();
            maker.made.survey = Some(super::survey::survey(maker.report, survey, spec));
        }
        None => maker.translations(),
    }
    maker.made
}

struct Maker<'a, 'm> {
    report: &'a mut Report,
    world: &'a World<'m>,
    spec: &'a OutboundSpec,
    around: &'a Surroundings<'a>,
    /// Whether all ConfigMaps that it includes from are there.
    sound: bool,
    made: Content,
}

impl Maker<'_, '_> {
    fn includes(&mut self) {
        for (n, name) in self.spec.includes.iter().flatten().enumerate() {
            let known = &self.world.manifests.config_maps;
            if !known.contains_key(name.as_str()) {
                let known = known.keys().map(String::as_str);
                let help = instead(name.as_str(), known, "make it in this namespace");
                let message = format!("there is no ConfigMap '{name}'");
                self.report.error(
                    Code::UnknownConfigMap,
                    format!("spec.outbound.includes[{n}]"),
                    message,
                    help,
                );
                self.sound = false;
            }
        }
    }

    /// Reports texts that are included and not there; of a ConfigMap that is not there it has been told already.
    fn missing(&mut self, path: &str, missing: &[Missing]) {
        if !self.sound {
            return;
        }
        let named: Vec<String> = self
            .spec
            .includes
            .iter()
            .flatten()
            .map(|name| format!("'{name}'"))
            .collect();
        for Missing { name, within, line } in missing {
            let place = match within {
                Some(text) => format!("line {line} of '{text}', which it includes"),
                None => format!("line {line}"),
            };
            let (message, help) = if named.is_empty() {
                (
                    format!("{place}: there is nothing to include '{name}' from"),
                    "name the ConfigMap that has it in spec.outbound.includes".to_owned(),
                )
            } else {
                let maps = self.spec.includes.iter().flatten();
                let keys = maps.filter_map(|map| self.world.manifests.config_maps.get(map.as_str()));
                let keys: Vec<&str> = keys.flat_map(|map| map.keys()).map(String::as_str).collect();
                let among = if named.len() == 1 {
                    "ConfigMap"
                } else {
                    "none of the ConfigMaps"
                };
                let has = if named.len() == 1 { "has no key" } else { "has a key" };
                (
                    format!("{place}: {among} {} {has} '{name}'", named.join(", ")),
                    instead(name, keys.iter().copied(), "add it there"),
                )
            };
            self.report.error(Code::TextMissing, path, message, help);
        }
    }

    /// One template, whatever the language.
    fn template(&mut self, path: &str, field: &str, source: &str) -> Option<Template> {
        let reached = block::reached(self.world.manifests, self.spec, source);
        if !reached.missing.is_empty() {
            self.missing(path, &reached.missing);
            return None;
        }
        let place = template::Place {
            customer: self.world.attribute_names().map(Into::into).collect(),
            with: self.around.with.clone().unwrap_or_default(),
            any_with: self.around.with.is_none(),
            html: field == "html",
            includes: reached.texts,
            ..template::Place::default()
        };
        let template = template::compile(source, &place)
            .map_err(|mistakes| self.report.template(path, mistakes))
            .ok()?;
        self.made.links |= template.links();
        self.made.unsubscribes |= template.unsubscribes();
        self.made.prefers |= template.prefers();
        self.made.confirms |= template.confirms();
        self.choices(path, &template);
        if let Some(purpose) = self.around.purpose {
            let reads = template.reads().iter().map(String::as_str);
            allowed(self.report, path, reads, &self.spec.purpose.0, purpose);
            if template.unsubscribes() && purpose.basis != Basis::Consent {
                let message = format!(
                    "unsubscribe_link() is empty: purpose '{}' does not rest on consent",
                    self.spec.purpose
                );
                self.report
                    .warning(Code::UnsubscribeIsEmpty, path, message, "leave it out".to_owned());
            }
        }
        Some(template)
    }

    /// What it offers must be open.
    fn choices(&mut self, path: &str, template: &Template) {
        self.made.chooses |= template.leaves() || !template.joins().is_empty();
        if template.leaves() && !self.around.leaves {
            let message = "leave_link() leads nowhere: a journey that sends this does not let customers leave";
            let help = "add choice: {title: ..., leave: true} to the journey".to_owned();
            self.report.error(Code::LeaveNowhere, path, message, help);
        }
        for journey in template.joins() {
            if self.world.choice(journey).is_some_and(|choice| choice.join) {
                continue;
            }
            let manifests = self.world.manifests;
            let (code, message, help) = if manifests.journeys.contains_key(journey) {
                (
                    Code::JoinNowhere,
                    format!("join_link() leads nowhere: customers cannot join journey '{journey}'"),
                    "add choice: {title: ..., join: true} to it".to_owned(),
                )
            } else {
                let known = manifests.journeys.keys().map(String::as_str);
                (
                    Code::JoinUnknown,
                    format!("there is no journey '{journey}'"),
                    instead(journey, known, "make it"),
                )
            };
            self.report.error(code, path, message, help);
        }
    }

    fn translations(&mut self) {
        self.language_is_known();
        for (name, fields) in self.spec.translations.iter().flatten() {
            let path = format!("spec.outbound.translations.{name}");
            let twice = self.made.translations.contains_key(&name.to_ascii_lowercase());
            let Some(normal) = tag(self.report, &path, name, twice) else {
                continue;
            };
            let mut translated = BTreeMap::new();
            for (field, source) in fields {
                let path = format!("{path}.{field}");
                if !self.spec.content.contains_key(field) {
                    let known = self.spec.content.keys().map(String::as_str);
                    let help = instead(field, known, "add it to content");
                    self.report.error(
                        Code::NothingToTranslate,
                        path,
                        format!("content has no '{field}' to translate"),
                        help,
                    );
                    continue;
                }
                let template = self.template(&path, field, source.as_str());
                translated.extend(template.map(|template| (field.clone(), template)));
            }
            self.made.translations.insert(normal, translated);
        }
    }

    fn language_is_known(&mut self) {
        if self.spec.translations.is_some() && self.world.profile.locale.is_none() && self.world.found.is_empty() {
            let help = "add locale to the CustomerProfile, such as locale: customer.locale".to_owned();
            let message = "nobody gets a translation: the CustomerProfile does not say which language a customer reads";
            self.report
                .warning(Code::NoLocale, "spec.outbound.translations", message, help);
        }
    }
}

/// A language tag in lower case; None: it is none, or it is there twice.
pub fn tag(report: &mut Report, path: &str, tag: &str, twice: bool) -> Option<String> {
    if is_rewritten_key(tag) {
        let help = "YAML reads an unquoted no as false: put \"no\" in quotes".to_owned();
        report.error(
            Code::LanguageIsBoolean,
            path,
            format!("'{tag}' is no language tag"),
            help,
        );
        return None;
    }
    let Some(normal) = locale::ranges(tag).into_iter().next() else {
        let help = "write a tag of BCP 47, such as de or de-AT".to_owned();
        report.error(Code::LanguageTag, path, format!("'{tag}' is no language tag"), help);
        return None;
    };
    if twice {
        let help = "tags are the same in upper and lower case: put the fields together".to_owned();
        report.error(
            Code::TranslatedTwice,
            path,
            format!("'{tag}' is translated twice"),
            help,
        );
        return None;
    }
    Some(normal)
}
