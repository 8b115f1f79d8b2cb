//! Jinja in content: parse and check once at compile time, render in bounded time and space. The one room that knows the crate. Pure.
//!
//! A template may read customer.NAME and with.NAME, call link(url), unsubscribe_link(), preferences_link(), confirm_link(), leave_link() and join_link('journey'), use filters, and include texts that its place
//! gives by name; it has no dynamic access to attributes and no computed include (so that what it reads is known before it runs), and no
//! file system. Undefined variables do not compile.

mod check;
pub mod include;
mod render;

use crate::engine::state::Properties;
use minijinja::{AutoEscape, Environment, ErrorKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    sync::Arc,
};

/// What keeps hostile templates cheap.
pub mod limits {
    /// Bytes of a template.
    pub const SOURCE: usize = 100_000;
    /// Bytes of one line of it, and lines.
    pub const LINE: usize = 60_000;
    pub const LINES: usize = 60_000;
    /// Words and signs in one `{{ }}` or `{% %}`: bounds how deep an expression can be.
    pub const WORDS: usize = 400;
    /// Tags open at a time; `elif` counts as one, as it nests in the one before.
    pub const DEPTH: usize = 60;
    /// Steps of one rendering: an instruction, two items, or 64 bytes.
    pub const FUEL: u64 = 100_000;
    /// Bytes that a rendering gives.
    pub const OUTPUT: usize = 256 * 1024;
    /// Macros and recursive loops that call each other.
    pub const CALLS: usize = 50;
    /// Texts that one template includes, and how often it includes any.
    pub const INCLUDES: usize = 100;
    /// Bytes of all the texts that it includes.
    pub const INCLUDED: usize = 500_000;
    /// Texts that include each other.
    pub const INCLUDE_DEPTH: usize = 8;
    /// Mistakes reported for one template.
    pub const MISTAKES: usize = 20;
}

/// What a template may name where it stands.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Attributes of the customer.
    pub customer: BTreeSet<String>,
    /// What every sender gives in `with`.
    pub with: BTreeSet<String>,
    /// Nobody sends it yet: any name in `with` is taken.
    pub any_with: bool,
    /// Fields of the rendered content that a webhook's body may read as content.NAME; empty in content itself.
    pub content: BTreeSet<String>,
    /// Nothing uses the body yet: any field of the content is taken.
    pub any_content: bool,
    /// Whether `to`, the address, may be read: in a webhook's body.
    pub to: bool,
    /// HTML: values are escaped.
    pub html: bool,
    /// Texts that may be included, by name ([`include::reach`]).
    pub includes: BTreeMap<String, Arc<str>>,
}

/// What kind of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It cannot be read.
    Syntax,
    /// It is above one of [`limits`].
    TooLarge,
    /// A root, or a name of the template's own, that there is not.
    UnknownName,
    /// A field of customer, with or content that there is not.
    UnknownField,
    /// What it reads would not be known before it runs.
    DynamicAccess,
    /// A filter or test that there is not.
    UnknownFilter,
    /// A function or method that there is not.
    UnknownFunction,
    /// link() or unsubscribe_link() called wrongly.
    LinkAddress,
    /// What cannot be assigned or changed.
    NameIsTaken,
    /// A text that cannot be included.
    Include,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub code: Code,
    /// From 1.
    pub line: usize,
    /// Bytes of the template; None: no certain place.
    pub span: Option<Range<usize>>,
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenderError {
    #[error("the template used up its fuel of {fuel} steps")]
    TooCostly { fuel: u64 },
    #[error("the template made more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the template failed: {0}")]
    Failed(String),
}

/// A checked template.
pub struct Template {
    environment: Box<Environment<'static>>,
    reads: BTreeSet<String>,
    reads_content: BTreeSet<String>,
    links: bool,
    unsubscribes: bool,
    prefers: bool,
    confirms: bool,
    leaves: bool,
    joins: BTreeSet<String>,
    html: bool,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("reads", &self.reads)
            .finish_non_exhaustive()
    }
}

/// What a rendering depends on.
pub struct Values<'a> {
    pub customer: &'a Properties,
    /// `customer.id`.
    pub customer_id: &'a str,
    pub with: &'a Properties,
    pub content: Option<&'a Properties>,
    /// The address; None: there is none, or the place may not read it.
    pub to: Option<&'a str>,
    /// Turns an address into a tracked one.
    pub link: &'a (dyn Fn(&str) -> String + Send + Sync),
    /// The signed unsubscribe page; None where the purpose needs none.
    pub unsubscribe: Option<&'a str>,
    /// The signed page of the preference centre; None: there is none.
    pub preferences: Option<&'a str>,
    /// The signed page that confirms a consent; None where none is to be confirmed.
    pub confirm: Option<&'a str>,
    /// The signed page on which the customer leaves the journey that sends this; None: it cannot be left.
    pub leave: Option<&'a str>,
    /// The signed page on which the customer joins a journey, by its name.
    pub join: &'a (dyn Fn(&str) -> String + Send + Sync),
}

/// Parses and checks a template. All mistakes are given back, the first [`limits::MISTAKES`] of them.
pub fn compile(source: &str, place: &Place) -> Result<Template, Vec<Mistake>> {
    let found = check::check(source, place)?;
    let mut environment = Environment::new();
    environment.remove_global("debug");
    environment.add_function("range", render::range);
    environment.add_filter("sha256", render::sha256);
    environment.set_fuel(Some(limits::FUEL));
    // The engine counts ten for an include.
    environment.set_recursion_limit(limits::CALLS + 10 * found.depth);
    let html = place.html;
    environment.set_auto_escape_callback(move |_| if html { AutoEscape::Html } else { AutoEscape::None });
    environment
        .add_template_owned(NAME, source.to_owned())
        .map_err(|error| vec![check::syntax(&error)])?;
    for name in found.includes {
        let text = place.includes.get(&name).map(|text| text.to_string());
        environment
            .add_template_owned(name, text.unwrap_or_default())
            .map_err(|error| vec![check::syntax(&error)])?;
    }
    Ok(Template {
        environment: Box::new(environment),
        reads: found.customer,
        reads_content: found.content,
        links: found.links,
        unsubscribes: found.unsubscribes,
        prefers: found.prefers,
        confirms: found.confirms,
        leaves: found.leaves,
        joins: found.joins,
        html,
    })
}

/// What the template itself is called in its environment: no text that is included can be called so.
const NAME: &str = " content";

impl Template {
    /// Attributes of the customer that it can read; `id` is nobody's to allow and not among them.
    pub fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// Fields of the content that a webhook's body reads.
    pub fn reads_content(&self) -> &BTreeSet<String> {
        &self.reads_content
    }

    /// Whether it calls preferences_link().
    pub fn prefers(&self) -> bool {
        self.prefers
    }

    /// Whether it calls confirm_link().
    pub fn confirms(&self) -> bool {
        self.confirms
    }

    /// Whether it calls unsubscribe_link().
    pub fn unsubscribes(&self) -> bool {
        self.unsubscribes
    }

    /// Whether it calls leave_link().
    pub fn leaves(&self) -> bool {
        self.leaves
    }

    /// Journeys that it calls join_link() with.
    pub fn joins(&self) -> &BTreeSet<String> {
        &self.joins
    }

    /// Whether it calls link().
    pub fn links(&self) -> bool {
        self.links
    }

    /// Renders in at most [`limits::FUEL`] steps and [`limits::OUTPUT`] bytes. A missing value is empty text. Errors name no value.
    pub fn render(&self, values: &Values<'_>) -> Result<String, RenderError> {
        render::render(self, values)
    }
}

fn failure(kind: ErrorKind, line: Option<usize>) -> RenderError {
    match kind {
        ErrorKind::OutOfFuel => RenderError::TooCostly { fuel: limits::FUEL },
        // The kind alone: details may quote a value.
        kind => RenderError::Failed(format!("{kind} in line {}", line.unwrap_or(1))),
    }
}

#[cfg(test)]
mod tests;
