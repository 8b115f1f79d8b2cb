//! Which operators take which types, and what comes of them.

use super::{Checked, Checker};
use crate::expression::ast::{Ast, Kind, Op};
use crate::expression::diagnostic::{Code, Span, did_you_mean};
use crate::expression::tree::Node;
use crate::expression::types::Type;
use crate::expression::value::Value;

impl Checker<'_> {
    pub fn binary(
        &mut self,
        op: Op,
        (a, left): ((Node, Type), &Ast),
        (b, right): ((Node, Type), &Ast),
        span: &Span,
    ) -> Checked {
        let Some(ty) = result(op, &a.1, &b.1) else {
            let message = format!("{} does not take {:#} and {:#}", op.sign(), a.1, b.1);
            return self.refuse(Code::WrongType, span, message, advice(op, &a.1, &b.1));
        };
        if matches!(op, Op::Equal | Op::Unequal) {
            self.one_of(&a.1, right)?;
            self.one_of(&b.1, left)?;
        }
        let mixed = a.1 != b.1 && a.1.is_numeric() && b.1.is_numeric();
        let sides = if mixed {
            [widen(a.0, &a.1), widen(b.0, &b.1)]
        } else {
            [a.0, b.0]
        };
        Some((Node::Binary(op, Box::new(sides)), ty))
    }

    /// `needle in among`, where among is a literal list or a list that is read.
    pub fn among(&mut self, needle: &Ast, among: &Ast) -> Checked {
        if let Kind::List(items) = &among.kind {
            return self.among_items(needle, items);
        }
        let (needle_checked, list) = (self.check(needle), self.check(among));
        let ((node, ty), (list, list_ty)) = (needle_checked?, list?);
        let node = match &list_ty {
            Type::List(of) if of.fits(&ty) && ty.is_scalar() => {
                self.one_of(of, needle)?;
                node
            }
            Type::List(of) if **of == Type::Number && ty == Type::Int => widen(node, &ty),
            Type::List(of) => {
                let message = format!("{ty:#} is never in a list of {of}");
                return self.refuse(Code::WrongType, &needle.span, message, None);
            }
            Type::Text(_) => {
                let (message, help) = ("in needs a list, this is a text", "write text.contains(part)");
                return self.refuse(Code::WrongType, &among.span, message, Some(help));
            }
            other => {
                let message = format!("in needs a list, this is {other:#}");
                return self.refuse(Code::WrongType, &among.span, message, None);
            }
        };
        Some((Node::Binary(Op::In, Box::new([node, list])), Type::Bool))
    }

    fn among_items(&mut self, needle: &Ast, items: &[Ast]) -> Checked {
        let first = self.check(needle);
        let rest: Vec<_> = items.iter().map(|item| Some((self.check(item)?, &item.span))).collect();
        let first = first?;
        if !first.1.is_scalar() {
            let message = format!("{:#} is not looked for in a list", first.1);
            return self.refuse(Code::WrongType, &needle.span, message, None);
        }
        let never: Vec<_> = items
            .iter()
            .filter(|item| self.one_of(&first.1, item).is_none())
            .collect();
        if !never.is_empty() {
            return None;
        }
        let mut parts = vec![(first, &needle.span)];
        parts.extend(rest.into_iter().collect::<Option<Vec<_>>>()?);
        Some((Node::Among(self.unify(parts)?.0.into()), Type::Bool))
    }

    /// One type for all: integers widen to numbers where they meet one.
    pub fn unify(&mut self, parts: Vec<((Node, Type), &Span)>) -> Option<(Vec<Node>, Type)> {
        let mut ty = parts.first().map_or(Type::TEXT, |((_, first), _)| first.clone());
        for ((_, found), span) in &parts {
            match (&ty, found) {
                (Type::Int, Type::Number) => ty = Type::Number,
                (Type::Number, Type::Int) => {}
                (Type::Text(a), Type::Text(b)) if a != b => ty = Type::TEXT,
                (a, b) if a.fits(b) => {}
                _ => {
                    let message = format!("this is {found:#}, the other is {ty:#}");
                    return self.refuse(Code::WrongType, span, message, None);
                }
            }
        }
        let widened = parts
            .into_iter()
            .map(|((node, found), _)| if ty == Type::Number { widen(node, &found) } else { node });
        Some((widened.collect(), ty))
    }

    /// A literal that a declared list of values does not have is a mistake.
    fn one_of(&mut self, declared: &Type, literal: &Ast) -> Option<()> {
        let (Type::Text(Some(values)), Kind::Text(text)) = (declared, &literal.kind) else {
            return Some(());
        };
        if values.contains(text) {
            return Some(());
        }
        let meant =
            did_you_mean(text, values.iter().map(String::as_str)).map(|meant| format!("did you mean '{meant}'?"));
        let message = format!("it is never '{text}': its values are {}", values.join(", "));
        self.error(Code::NeverEqual, &literal.span, message, meant);
        None
    }
}

/// An integer made a number; anything else stays as it is.
pub fn widen(node: Node, ty: &Type) -> Node {
    match node {
        Node::Const(Value::Int(n)) => Node::Const(Value::Number(n as f64)),
        node if *ty == Type::Int => Node::Widen(Box::new(node)),
        node => node,
    }
}

/// The type of `a op b`; None: the operator does not take them.
fn result(op: Op, a: &Type, b: &Type) -> Option<Type> {
    use Type::{Bool, Duration, Instant, Int, Number, Text};
    let numeric = a.is_numeric() && b.is_numeric();
    match op {
        Op::Equal | Op::Unequal if matches!((a, b), (Bool, Bool)) => Some(Bool),
        Op::Equal | Op::Unequal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
            let alike = matches!((a, b), (Text(_), Text(_)) | (Instant, Instant) | (Duration, Duration));
            (numeric || alike).then_some(Bool)
        }
        Op::Remainder => matches!((a, b), (Int, Int)).then_some(Int),
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide if numeric => {
            Some(if matches!((a, b), (Int, Int)) { Int } else { Number })
        }
        Op::Add => match (a, b) {
            (Text(_), Text(_)) => Some(Type::TEXT),
            (Instant, Duration) | (Duration, Instant) => Some(Instant),
            (Duration, Duration) => Some(Duration),
            _ => None,
        },
        Op::Subtract => match (a, b) {
            (Instant, Duration) => Some(Instant),
            (Instant, Instant) | (Duration, Duration) => Some(Duration),
            _ => None,
        },
        Op::Multiply | Op::Divide | Op::In => None,
    }
}

/// What people meant who wrote `a op b`.
fn advice(op: Op, a: &Type, b: &Type) -> Option<&'static str> {
    use Type::{Bool, Duration, Instant, Int, List, Number, Text};
    match (a, b) {
        (Instant, Text(_)) | (Text(_), Instant) => Some("a timestamp is written timestamp('2026-11-22T09:00:00Z')"),
        (Duration, Text(_)) | (Text(_), Duration) => Some("a duration is written days(2) or duration('36h')"),
        (Duration, Int | Number) | (Int | Number, Duration) => Some("a duration is written days(2) or duration('36h')"),
        (Instant, Int | Number) => Some("add a duration: days(2) or duration('36h')"),
        (Text(_), Int | Number | Bool) | (Int | Number | Bool, Text(_)) if op == Op::Add => {
            Some("join with string(x), or write it as text with ${x} inside")
        }
        (Text(_), Int | Number) | (Int | Number, Text(_)) => Some("a number is written without quotes"),
        (Text(_), Bool) | (Bool, Text(_)) => Some("true and false are written without quotes"),
        (List(_), _) | (_, List(_)) => Some("ask with x in list, or with list.exists(x, ...)"),
        _ => None,
    }
}
