//! From a string in a manifest to a [`Program`], and from a program and a record to a value.

use super::call::Function;
use super::check::{Checker, made_a_condition, widen};
use super::diagnostic::{Code, Diagnostic, Span};
use super::limits;
use super::outlook::next_change;
use super::record::{Layout, Record, Slot};
use super::syntax;
use super::tree::{Fault, Machine, Node};
use super::types::{Scope, Type};
use super::value::{Val, Value};
use serde_json::Value as Json;
use std::sync::Arc;

/// What a missing value means where the expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// when, while, a boolean `is`: the condition does not hold.
    False,
    /// to, key, customer, alsoKnownAs, attributes, set: a path alone may be missing, and the caller has a rule for that. A computation
    /// over it must be guarded: `customer.streak + 1` left unchanged by accident is a bug nobody sees.
    Missing,
    /// with, at, score, priority, value: it does not compile.
    Refuse,
}

/// Where an expression stands.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    pub scope: &'a Scope,
    /// None: any scalar or list. An integer is taken where a number is wanted.
    pub wants: Option<Type>,
    pub missing: OnMissing,
}

/// A checked expression. Cheap to clone, and shared between threads.
#[derive(Debug, Clone)]
pub struct Program(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tree: Node,
    ty: Type,
    reads: Vec<Slot>,
    reads_now: bool,
    reads_zone: bool,
    /// Nothing that it reads without asking has() may be missing.
    total: bool,
}

/// A field that is CEL as a whole: when, while, at, key, customer, alsoKnownAs, score, value, is.
///
/// # Errors
/// Every mistake that was found, at most [`limits::DIAGNOSTICS`]; a mistake of syntax is always alone.
pub fn compile(source: &str, place: &Place, layout: &mut Layout) -> Result<Program, Vec<Diagnostic>> {
    let ast = syntax::parse(source).map_err(|mistake| vec![mistake])?;
    let mut checker = Checker::new(place, layout);
    let checked = checker.check(&ast);
    finish(checker, checked, &ast.span)
}

/// A literal with `${CEL}` inside; `$${` is a plain `${`. A lone `${...}` keeps its type, anything else is text.
///
/// # Errors
/// As [`compile`].
pub fn compile_text(source: &str, place: &Place, layout: &mut Layout) -> Result<Program, Vec<Diagnostic>> {
    if source.len() > limits::SOURCE {
        let message = format!("{} bytes; at most {} are read", source.len(), limits::SOURCE);
        return Err(vec![Diagnostic::new(Code::TooLarge, 0..0, message)]);
    }
    let mut checker = Checker::new(place, layout);
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    let mut sound = true;
    while let Some(found) = source[at..].find("${").map(|offset| at + offset) {
        if source[at..found].ends_with('$') {
            literal.push_str(&source[at..found - 1]);
            literal.push_str("${");
            at = found + 2;
            continue;
        }
        literal.push_str(&source[at..found]);
        let (ast, close) = match syntax::parse_until_brace(source, found + 2) {
            Ok(parsed) => parsed,
            Err(mistake) => {
                checker.errors.push(mistake);
                return Err(checker.errors);
            }
        };
        let checked = checker.check(&ast);
        at = close + 1;
        if found == 0 && at == source.len() {
            return finish(checker, checked, &ast.span);
        }
        if !literal.is_empty() {
            parts.push(constant(Value::Text(std::mem::take(&mut literal).into())));
        }
        match checked {
            Some((node, ty)) if ty.is_scalar() => parts.push(node),
            Some((_, ty)) => {
                checker.error(
                    Code::WrongType,
                    &ast.span,
                    format!("{ty:#} cannot stand inside a text"),
                    None,
                );
                sound = false;
            }
            None => sound = false,
        }
    }
    literal.push_str(&source[at..]);
    let tree = if parts.is_empty() {
        constant(Value::Text(literal.into()))
    } else {
        if !literal.is_empty() {
            parts.push(constant(Value::Text(literal.into())));
        }
        Node::Call(Function::Join, parts.into())
    };
    finish(checker, sound.then_some((tree, Type::TEXT)), &(0..source.len()))
}

fn constant(value: Value) -> Node {
    Node::Const(value)
}

/// Fits the result to its place, and decides about what may be missing.
fn finish(mut c: Checker, checked: Option<(Node, Type)>, span: &Span) -> Result<Program, Vec<Diagnostic>> {
    let path_alone = checked.as_ref().is_some_and(|(node, _)| is_path(node));
    let total = c.unguarded.is_empty();
    let fitted = checked.and_then(|(node, ty)| fit(&mut c, node, ty, span));
    let may_be_missing = match c.place.missing {
        OnMissing::False => true,
        OnMissing::Missing => path_alone,
        OnMissing::Refuse => false,
    };
    if !may_be_missing {
        for (span, name) in std::mem::take(&mut c.unguarded) {
            let help = format!("give it a default, or write has({name}) ? {name} : ...");
            c.error(
                Code::MayBeMissing,
                &span,
                format!("'{name}' may be missing"),
                Some(help),
            );
        }
    }
    match fitted {
        Some((tree, ty)) if c.errors.is_empty() => Ok(Program(Arc::new(Inner {
            tree,
            ty,
            reads: c.reads.into_iter().collect(),
            reads_now: c.reads_now,
            reads_zone: c.reads_zone,
            total,
        }))),
        _ => Err(c.errors),
    }
}

/// The result as its place wants it; None: it does not fit, which is reported.
fn fit(c: &mut Checker, node: Node, ty: Type, span: &Span) -> Option<(Node, Type)> {
    if !ty.is_definite() {
        let message = format!("the schema gives a part of this {ty} no single type");
        let help = "give it a type in the touchpoint's schema";
        c.error(Code::WrongType, span, message, Some(help.into()));
        return None;
    }
    let Some(wanted) = &c.place.wants else {
        return Some((node, ty));
    };
    if *wanted == Type::Number && ty == Type::Int {
        return Some((widen(node, &ty), Type::Number));
    }
    if !wanted.fits(&ty) {
        let help = match (wanted, &ty) {
            (Type::Int, Type::Number) => Some("write int(...) to cut it to an integer"),
            (Type::Bool, found) => made_a_condition(found),
            (Type::Instant, Type::Duration) => Some("write now + ..."),
            (Type::Instant, Type::Text(_)) => Some("a timestamp is written timestamp('2026-11-22T09:00:00Z')"),
            (Type::Text(_), Type::Bool | Type::Int | Type::Number) => Some("make it a text with string(...)"),
            _ => None,
        };
        c.error(
            Code::WrongType,
            span,
            format!("{wanted:#} is needed here, this is {ty:#}"),
            help.map(Into::into),
        );
        return None;
    }
    if let Type::Text(Some(values)) = wanted
        && never_one_of(&node, values)
    {
        c.error(
            Code::NeverEqual,
            span,
            format!("its values are {}", values.join(", ")),
            None,
        );
        return None;
    }
    Some((node, ty))
}

/// Whether a literal that it can give is none of the declared values.
fn never_one_of(node: &Node, values: &[String]) -> bool {
    match node {
        Node::Const(Value::Text(text)) => !values.iter().any(|value| **value == **text),
        Node::Choose(three) => never_one_of(&three[1], values) || never_one_of(&three[2], values),
        _ => false,
    }
}

/// A path and nothing computed: `customer.name`, `event.lines[0].sku`.
fn is_path(node: &Node) -> bool {
    match node {
        Node::Slot(_) => true,
        Node::Field(of, _) => is_path(of),
        Node::Item(of, at) => is_path(of) && matches!(**at, Node::Const(_)),
        _ => false,
    }
}

impl Program {
    /// The type of its value.
    pub fn ty(&self) -> &Type {
        &self.0.ty
    }

    /// Exactly the paths the tree can read, has() included; each once, in the order of their slots.
    pub fn reads(&self) -> &[Slot] {
        &self.0.reads
    }

    /// Whether time alone can change the result.
    pub fn reads_now(&self) -> bool {
        self.0.reads_now
    }

    /// Whether nextTime() or daysBetween() read the customer's zone, and so the attributes that the profile's CEL for it reads.
    pub fn reads_zone(&self) -> bool {
        self.0.reads_zone
    }

    pub(super) fn tree(&self) -> &Node {
        &self.0.tree
    }

    pub(super) fn is_total(&self) -> bool {
        self.0.total
    }

    /// Its value. Pure: the record is all it depends on. The record must be of the layout that the program was compiled with.
    ///
    /// # Errors
    /// Why there is no value; the work done until then is bounded by [`limits::FUEL`].
    pub fn eval<'a>(&'a self, record: &'a Record) -> Result<Val<'a>, Fault> {
        self.0.tree.eval(&mut Machine::new(record))
    }

    /// The earliest instant after the record's `now` at which its value may be another one while nothing but time passes, in microseconds
    /// since 1970. None: time does not change it. Sound: until then the value is what it is now. Where it cannot be computed it is
    /// [`super::RECHECK`] from now, and the value may change before.
    pub fn next_change(&self, record: &Record) -> Option<i64> {
        if self.0.reads_now {
            next_change(&self.0.tree, record)
        } else {
            None
        }
    }

    /// Its value as JSON, as it is stored and as content reads it: see [`Val::to_json`].
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn eval_json(&self, record: &Record) -> Result<Json, Fault> {
        self.eval(record)?.to_json(self.ty())
    }

    /// A condition: what is missing makes it false.
    ///
    /// # Errors
    /// The other faults, for the caller to count; it treats them as false too.
    pub fn holds(&self, record: &Record) -> Result<bool, Fault> {
        match self.eval(record) {
            Ok(Val::Bool(holds)) => Ok(holds),
            Ok(_) => Err(Fault::Contradiction),
            Err(Fault::Missing) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
