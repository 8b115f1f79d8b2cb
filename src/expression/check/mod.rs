//! Names to slots, types to everything, and which values may be missing. One walk; it reports all it finds. It knows nothing of
//! evaluation: what it makes, a tree of [`Node`], goes to `tree`.

mod facts;
mod functions;
mod names;
mod operators;

pub use operators::widen;

use crate::expression::ast::{Ast, Kind, Op};
use crate::expression::diagnostic::{Code, Diagnostic, Span};
use crate::expression::record::{Layout, Slot};
use crate::expression::tree::Node;
use crate::expression::types::Type;
use crate::expression::value::Value;
use crate::expression::{Place, limits};
use facts::facts;
use std::collections::BTreeSet;

/// The state of one walk, and what it found.
pub struct Checker<'a> {
    pub place: &'a Place<'a>,
    layout: &'a mut Layout,
    pub errors: Vec<Diagnostic>,
    pub reads: BTreeSet<Slot>,
    pub reads_now: bool,
    pub reads_zone: bool,
    /// What is read though it may be missing, as it is written.
    pub unguarded: Vec<(Span, String)>,
    /// What has() has shown to be there, here.
    present: Vec<String>,
    /// The item's name and type inside exists() and all(). They do not nest.
    local: Option<(String, Type)>,
}

/// None: what is wrong has been reported.
pub type Checked = Option<(Node, Type)>;

impl<'a> Checker<'a> {
    pub fn new(place: &'a Place<'a>, layout: &'a mut Layout) -> Self {
        Checker {
            place,
            layout,
            errors: vec![],
            reads: BTreeSet::new(),
            reads_now: false,
            reads_zone: false,
            unguarded: vec![],
            present: vec![],
            local: None,
        }
    }

    pub fn check(&mut self, ast: &Ast) -> Checked {
        Some(match &ast.kind {
            Kind::Null => {
                let message = "there is no null here: a value is there or missing";
                return self.refuse(Code::NotInCel, &ast.span, message, Some("write has(x) or !has(x)"));
            }
            Kind::Bool(b) => (Node::Const(Value::Bool(*b)), Type::Bool),
            Kind::Int(n) => (Node::Const(Value::Int(*n)), Type::Int),
            Kind::Number(n) => (Node::Const(Value::Number(*n)), Type::Number),
            Kind::Text(text) => (Node::Const(Value::Text(text.as_str().into())), Type::TEXT),
            Kind::Name(_) | Kind::Member(..) | Kind::Index(..) => {
                let target = self.target(ast)?;
                return self.read(target, &ast.span);
            }
            Kind::Call {
                on,
                name,
                name_span,
                args,
            } => {
                return functions::check(self, ast, on.as_deref(), name, name_span, args);
            }
            Kind::List(items) => return self.list(items, &ast.span),
            Kind::Not(of) => (Node::Not(Box::new(self.truth(of)?)), Type::Bool),
            Kind::Negate(of) => match self.check(of)? {
                (node, ty @ (Type::Int | Type::Number | Type::Duration)) => (Node::Negate(Box::new(node)), ty),
                (_, ty) => {
                    let message = format!("- needs a number, this is {ty:#}");
                    return self.refuse(Code::WrongType, &of.span, message, None);
                }
            },
            Kind::Every(parts) => (Node::Every(self.settle(parts, true)?), Type::Bool),
            Kind::Any(parts) => (Node::Any(self.settle(parts, false)?), Type::Bool),
            Kind::Choose(three) => return self.choose(three),
            Kind::Binary(Op::In, needle, among) => return self.among(needle, among),
            Kind::Binary(op, left, right) => {
                let (a, b) = (self.check(left), self.check(right));
                return self.binary(*op, (a?, left), (b?, right), &ast.span);
            }
        })
    }

    /// A part that must be true or false.
    pub fn truth(&mut self, ast: &Ast) -> Option<Node> {
        let (node, ty) = self.check(ast)?;
        if ty == Type::Bool {
            return Some(node);
        }
        let message = format!("a condition must be true or false, this is {ty:#}");
        self.refuse(Code::WrongType, &ast.span, message, made_a_condition(&ty))
    }

    pub fn error(&mut self, code: Code, span: &Span, message: String, help: Option<String>) {
        if self.errors.len() < limits::DIAGNOSTICS {
            self.errors
                .push(Diagnostic::new(code, span.clone(), message).help(help));
        }
    }

    /// Reports, and gives the nothing that a check gives then.
    fn refuse<T>(&mut self, code: Code, span: &Span, message: impl Into<String>, help: Option<&str>) -> Option<T> {
        self.error(code, span, message.into(), help.map(Into::into));
        None
    }

    fn list(&mut self, items: &[Ast], span: &Span) -> Checked {
        let checked: Vec<_> = items.iter().map(|item| Some((self.check(item)?, &item.span))).collect();
        let (parts, ty) = self.unify(checked.into_iter().collect::<Option<_>>()?)?;
        let constant = |node| {
            if let Node::Const(value) = node {
                Some(value)
            } else {
                None
            }
        };
        match parts.into_iter().map(constant).collect::<Option<Vec<Value>>>() {
            Some(values) => Some((Node::Const(Value::List(values.into())), Type::List(Box::new(ty)))),
            None => {
                let message = "a list of other than literals can only stand right of in";
                self.refuse(Code::WrongType, span, message, None)
            }
        }
    }

    fn choose(&mut self, three: &[Ast; 3]) -> Checked {
        let [when, yes, no] = three;
        let when_checked = self.truth(when);
        let yes_checked = self.assuming(facts(when, true), |c| c.check(yes));
        let no_checked = self.assuming(facts(when, false), |c| c.check(no));
        let (mut parts, ty) = self.unify(vec![(yes_checked?, &yes.span), (no_checked?, &no.span)])?;
        let (no, yes) = (parts.pop()?, parts.pop()?);
        Some((Node::Choose(Box::new([when_checked?, yes, no])), ty))
    }

    /// Left to right, each part knows what those before it have settled.
    fn settle(&mut self, parts: &[Ast], truth: bool) -> Option<Box<[Node]>> {
        let before = self.present.len();
        let mut nodes = Vec::new();
        for part in parts {
            nodes.push(self.truth(part));
            self.present.extend(facts(part, truth));
        }
        self.present.truncate(before);
        nodes.into_iter().collect()
    }

    fn assuming<T>(&mut self, facts: Vec<String>, check: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.present.len();
        self.present.extend(facts);
        let result = check(self);
        self.present.truncate(before);
        result
    }
}

/// How to make a condition of a value that is none.
pub fn made_a_condition(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Int | Type::Number => Some("compare it, for instance with > 0"),
        Type::Text(_) => Some("compare it, for instance with != ''"),
        Type::List(_) => Some("ask about it, for instance with .size() > 0"),
        Type::Bool | Type::Instant | Type::Duration | Type::Object(_) | Type::Opaque => None,
    }
}
