//! Jinja in content: parse and check once at compile time, render in bounded time and space. The one room that knows the crate. Pure.
//!
//! A template may read customer.NAME and with.NAME, call link(url) and unsubscribe_link(), and use filters; it has no dynamic access to
//! attributes (so that what it reads is known before it runs), no includes, no file system. Undefined variables do not compile.

use crate::engine::state::Properties;
use std::collections::BTreeSet;

/// What a template may name where it stands.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Attributes of the customer.
    pub customer: BTreeSet<String>,
    /// What every sender gives in `with`.
    pub with: BTreeSet<String>,
    /// Fields of the rendered content that a webhook's body may read as content.NAME; empty in content itself.
    pub content: BTreeSet<String>,
    /// Whether `to`, the address, may be read: in a webhook's body.
    pub to: bool,
    /// HTML: values are escaped.
    pub html: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
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
#[derive(Debug)]
pub struct Template {}

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
}

pub fn compile(_source: &str, _place: &Place) -> Result<Template, Vec<Mistake>> {
    todo!()
}

impl Template {
    /// Attributes of the customer that it can read.
    pub fn reads(&self) -> &BTreeSet<String> {
        todo!()
    }

    /// Whether it calls unsubscribe_link().
    pub fn unsubscribes(&self) -> bool {
        todo!()
    }

    pub fn render(&self, _values: &Values<'_>) -> Result<String, RenderError> {
        todo!()
    }
}
