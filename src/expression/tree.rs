//! A checked expression and its evaluation: no names, no maps, and no allocation but for texts that are made. `check` has proved the
//! types; a tree that contradicts them is a [`Fault`], never a panic. Every step is paid for out of [`limits::FUEL`].

use super::ast::Op;
use super::call::{Function, call};
use super::limits;
use super::record::{Record, Slot};
use super::value::{Val, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

#[derive(Debug)]
pub enum Node {
    Const(Value),
    Slot(Slot),
    Now,
    /// The item that exists() or all() asks about.
    Local,
    /// A field of an object, by its place in the object's type.
    Field(Box<Node>, u16),
    Item(Box<Node>, Box<Node>),
    Present(Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Every(Box<[Node]>),
    Any(Box<[Node]>),
    Choose(Box<[Node; 3]>),
    /// Integer to number.
    Widen(Box<Node>),
    Binary(Op, Box<[Node; 2]>),
    /// Is the first among the rest?
    Among(Box<[Node]>),
    /// `all` says whether every item or some item must hold.
    Quantify {
        list: Box<Node>,
        body: Box<Node>,
        all: bool,
    },
    Call(Function, Box<[Node]>),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    #[error("a value that it reads is missing")]
    Missing,
    #[error("a number, an instant or a duration is too large")]
    Overflow,
    #[error("division by zero")]
    DividedByZero,
    #[error("a text is not a number")]
    NotANumber,
    #[error("a text is not a timestamp, or an instant is outside the calendar")]
    NotATime,
    #[error("the text that it makes is over 16 KiB")]
    TooLong,
    #[error("it takes too many steps")]
    TooCostly,
    /// The record is not of the program's layout, or the checker is wrong.
    #[error("a value is not of its declared type")]
    Contradiction,
}

impl Fault {
    /// A stable name, for reasons and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Missing => "Missing",
            Fault::Overflow => "Overflow",
            Fault::DividedByZero => "DividedByZero",
            Fault::NotANumber => "NotANumber",
            Fault::NotATime => "NotATime",
            Fault::TooLong => "TooLong",
            Fault::TooCostly => "TooCostly",
            Fault::Contradiction => "Contradiction",
        }
    }
}

/// One evaluation.
pub struct Machine<'a> {
    pub record: &'a Record,
    pub local: Option<&'a Value>,
    fuel: u32,
}

pub type Out<'a> = Result<Val<'a>, Fault>;

impl<'a> Machine<'a> {
    pub fn new(record: &'a Record) -> Self {
        Machine {
            record,
            local: None,
            fuel: limits::FUEL,
        }
    }

    pub fn spend(&mut self, n: usize) -> Result<(), Fault> {
        let left = u32::try_from(n).ok().and_then(|n| self.fuel.checked_sub(n));
        self.fuel = left.ok_or(Fault::TooCostly)?;
        Ok(())
    }
}

impl Node {
    pub fn eval<'a>(&'a self, m: &mut Machine<'a>) -> Out<'a> {
        m.spend(1)?;
        match self {
            Node::Const(value) => value.read(),
            Node::Slot(slot) => m
                .record
                .slots
                .get(usize::from(slot.0))
                .ok_or(Fault::Contradiction)?
                .read(),
            Node::Now => Ok(Val::Instant(m.record.now)),
            Node::Local => m.local.ok_or(Fault::Contradiction)?.read(),
            Node::Field(of, at) => match of.eval(m)? {
                Val::Object(fields) => fields.get(usize::from(*at)).ok_or(Fault::Contradiction)?.read(),
                _ => Err(Fault::Contradiction),
            },
            Node::Item(list, at) => match (list.eval(m)?, at.eval(m)?) {
                (Val::List(items), Val::Int(n)) => {
                    let item = usize::try_from(n).ok().and_then(|n| items.get(n));
                    item.ok_or(Fault::Missing)?.read()
                }
                _ => Err(Fault::Contradiction),
            },
            Node::Present(of) => match of.eval(m) {
                Ok(_) => Ok(Val::Bool(true)),
                Err(Fault::Missing) => Ok(Val::Bool(false)),
                Err(fault) => Err(fault),
            },
            Node::Not(of) => Ok(Val::Bool(!of.truth(m)?)),
            Node::Negate(of) => Ok(match of.eval(m)? {
                Val::Int(n) => Val::Int(n.checked_neg().ok_or(Fault::Overflow)?),
                Val::Number(n) => Val::Number(-n),
                Val::Duration(length) => Val::Duration(length.checked_neg().ok_or(Fault::Overflow)?),
                _ => return Err(Fault::Contradiction),
            }),
            Node::Every(parts) => settle(parts, m, false),
            Node::Any(parts) => settle(parts, m, true),
            Node::Choose(three) => {
                let [when, yes, no] = &**three;
                if when.truth(m)? { yes.eval(m) } else { no.eval(m) }
            }
            Node::Widen(of) => match of.eval(m)? {
                Val::Int(n) => Ok(Val::Number(n as f64)),
                _ => Err(Fault::Contradiction),
            },
            Node::Binary(Op::In, sides) => match (sides[0].eval(m)?, sides[1].eval(m)?) {
                (needle, Val::List(items)) => {
                    m.spend(items.len().saturating_mul(1 + cost_of_comparing(&needle)))?;
                    let same = |item: &Value| {
                        item.read()
                            .is_ok_and(|item| needle.compare(&item) == Some(Ordering::Equal))
                    };
                    Ok(Val::Bool(items.iter().any(same)))
                }
                _ => Err(Fault::Contradiction),
            },
            Node::Binary(op, sides) => {
                let (a, b) = (sides[0].eval(m)?, sides[1].eval(m)?);
                binary(*op, a, b, m)
            }
            Node::Among(parts) => among(parts, m),
            Node::Quantify { list, body, all } => quantify(list, body, *all, m),
            Node::Call(function, args) => call(function, args, m),
        }
    }

    /// The value of a part that the checker knows to be a boolean.
    pub fn truth<'a>(&'a self, m: &mut Machine<'a>) -> Result<bool, Fault> {
        match self.eval(m)? {
            Val::Bool(b) => Ok(b),
            _ => Err(Fault::Contradiction),
        }
    }

    /// The value of a part that the checker knows to be a text; reading it is paid for.
    pub fn text<'a>(&'a self, m: &mut Machine<'a>) -> Result<Cow<'a, str>, Fault> {
        match self.eval(m)? {
            Val::Text(text) => {
                m.spend(text.len() / 64)?;
                Ok(text)
            }
            _ => Err(Fault::Contradiction),
        }
    }
}

/// CEL's `&&` and `||`: what decides, decides, on whichever side a fault stands.
fn settle<'a>(parts: &'a [Node], m: &mut Machine<'a>, decides: bool) -> Out<'a> {
    let mut fault = None;
    for part in parts {
        match part.truth(m) {
            Ok(b) if b == decides => return Ok(Val::Bool(decides)),
            Ok(_) => {}
            Err(Fault::TooCostly) => return Err(Fault::TooCostly),
            Err(f) => fault = fault.or(Some(f)),
        }
    }
    fault.map_or(Ok(Val::Bool(!decides)), Err)
}

/// exists() and all(), which settle over the items as `||` and `&&` do over their parts.
fn quantify<'a>(list: &'a Node, body: &'a Node, all: bool, m: &mut Machine<'a>) -> Out<'a> {
    let Val::List(items) = list.eval(m)? else {
        return Err(Fault::Contradiction);
    };
    let mut fault = None;
    for item in items {
        m.local = Some(item);
        match body.truth(m) {
            Ok(holds) if holds != all => return Ok(Val::Bool(!all)),
            Ok(_) => {}
            Err(Fault::TooCostly) => return Err(Fault::TooCostly),
            Err(f) => fault = fault.or(Some(f)),
        }
    }
    fault.map_or(Ok(Val::Bool(all)), Err)
}

/// As in CEL, the list is made first: a missing item is a fault even where another item decides.
fn among<'a>(parts: &'a [Node], m: &mut Machine<'a>) -> Out<'a> {
    let (needle, rest) = parts.split_first().ok_or(Fault::Contradiction)?;
    let needle = needle.eval(m)?;
    let cost = cost_of_comparing(&needle);
    let mut found = false;
    for part in rest {
        m.spend(cost)?;
        found |= needle.compare(&part.eval(m)?) == Some(Ordering::Equal);
    }
    Ok(Val::Bool(found))
}

fn cost_of_comparing(needle: &Val) -> usize {
    if let Val::Text(text) = needle {
        text.len() / 64
    } else {
        0
    }
}

fn binary<'a>(op: Op, a: Val<'a>, b: Val<'a>, m: &mut Machine<'a>) -> Out<'a> {
    if op.compares() {
        m.spend(cost_of_comparing(&a))?;
        let order = a.compare(&b).ok_or(Fault::Contradiction)?;
        return Ok(Val::Bool(match op {
            Op::Equal => order.is_eq(),
            Op::Unequal => order.is_ne(),
            Op::Less => order.is_lt(),
            Op::LessEqual => order.is_le(),
            Op::Greater => order.is_gt(),
            Op::GreaterEqual => order.is_ge(),
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder | Op::In => {
                return Err(Fault::Contradiction);
            }
        }));
    }
    let whole = |n: Option<i64>| n.ok_or(Fault::Overflow);
    Ok(match (op, a, b) {
        (Op::Divide | Op::Remainder, Val::Int(_), Val::Int(0)) => return Err(Fault::DividedByZero),
        (Op::Add, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_add(b))?),
        (Op::Subtract, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_sub(b))?),
        (Op::Multiply, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_mul(b))?),
        (Op::Divide, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_div(b))?),
        (Op::Remainder, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_rem(b))?),
        (Op::Add, Val::Number(a), Val::Number(b)) => finite(a + b)?,
        (Op::Subtract, Val::Number(a), Val::Number(b)) => finite(a - b)?,
        (Op::Multiply, Val::Number(a), Val::Number(b)) => finite(a * b)?,
        (Op::Divide, Val::Number(_), Val::Number(0.0)) => return Err(Fault::DividedByZero),
        (Op::Divide, Val::Number(a), Val::Number(b)) => finite(a / b)?,
        (Op::Add, Val::Text(a), Val::Text(b)) => {
            let mut out = String::new();
            append(&mut out, &a, m)?;
            append(&mut out, &b, m)?;
            Val::Text(out.into())
        }
        (Op::Add, Val::Instant(at), Val::Duration(length)) | (Op::Add, Val::Duration(length), Val::Instant(at)) => {
            Val::Instant(whole(at.checked_add(length))?)
        }
        (Op::Subtract, Val::Instant(at), Val::Duration(length)) => Val::Instant(whole(at.checked_sub(length))?),
        (Op::Subtract, Val::Instant(a), Val::Instant(b)) => Val::Duration(whole(a.checked_sub(b))?),
        (Op::Add, Val::Duration(a), Val::Duration(b)) => Val::Duration(whole(a.checked_add(b))?),
        (Op::Subtract, Val::Duration(a), Val::Duration(b)) => Val::Duration(whole(a.checked_sub(b))?),
        _ => return Err(Fault::Contradiction),
    })
}

/// No infinity and no NaN is ever a value.
fn finite<'a>(n: f64) -> Out<'a> {
    if n.is_finite() {
        Ok(Val::Number(n))
    } else {
        Err(Fault::Overflow)
    }
}

/// The one way a longer text is made.
pub fn append(out: &mut String, part: &str, m: &mut Machine) -> Result<(), Fault> {
    if out.len() + part.len() > limits::TEXT {
        return Err(Fault::TooLong);
    }
    m.spend(part.len() / 64)?;
    out.push_str(part);
    Ok(())
}
