//! A checked expression and its evaluation: no names, no maps, no allocation but for texts that are made. Types were proved by
//! `check`; a tree that contradicts them is a Fault, never a panic.
use crate::expression::limits;
use crate::expression::record::{Record, Slot, Value};
use crate::expression::syntax::Op;
use crate::expression::time::{self, Part, TimeOfDay, Weekdays};
use std::{borrow::Cow, cmp::Ordering};

#[derive(Debug)]
pub enum Node {
    Const(Value),
    Slot(Slot),
    Now,
    Local,
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

#[derive(Debug)]
pub enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Lower,
    Upper,
    Trim,
    ToInt,
    ToNumber,
    ToText,
    ToInstant,
    Days,
    DaysBetween,
    Sentiment,
    NextTime(TimeOfDay, Weekdays),
    Part(Part, jiff::tz::TimeZone),
    /// Whole hours, minutes, seconds: the unit in microseconds.
    Whole(i64),
    Matches(Box<regex::Regex>),
    Join,
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Missing,
    Overflow,
    DividedByZero,
    NotANumber,
    NotATime,
    TooLong,
    TooCostly,
    Contradiction,
}

#[derive(Debug, Clone)]
pub enum Val<'a> {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(Cow<'a, str>),
    Instant(i64),
    Duration(i64),
    List(&'a [Value]),
    Object(&'a [Value]),
}

pub struct Machine<'a> {
    pub record: &'a Record,
    pub local: Option<&'a Value>,
    pub fuel: u32,
}

type Out<'a> = Result<Val<'a>, Fault>;

impl Value {
    fn read(&self) -> Out<'_> {
        Ok(match self {
            Value::Missing => return Err(Fault::Missing),
            Value::Bool(b) => Val::Bool(*b),
            Value::Int(n) => Val::Int(*n),
            Value::Number(n) => Val::Number(*n),
            Value::Text(t) => Val::Text(Cow::Borrowed(t)),
            Value::Instant(t) => Val::Instant(*t),
            Value::Duration(d) => Val::Duration(*d),
            Value::List(l) => Val::List(l),
            Value::Object(o) => Val::Object(o),
        })
    }
}

impl Node {
    pub fn eval<'a>(&'a self, m: &mut Machine<'a>) -> Out<'a> {
        m.spend(1)?;
        Ok(match self {
            Node::Const(value) => return value.read(),
            Node::Slot(slot) => {
                return m
                    .record
                    .slots
                    .get(usize::from(slot.0))
                    .ok_or(Fault::Contradiction)?
                    .read();
            }
            Node::Now => Val::Instant(m.record.now),
            Node::Local => return m.local.ok_or(Fault::Contradiction)?.read(),
            Node::Field(of, at) => match of.eval(m)? {
                Val::Object(fields) => return fields.get(usize::from(*at)).ok_or(Fault::Contradiction)?.read(),
                _ => return Err(Fault::Contradiction),
            },
            Node::Item(list, at) => match (list.eval(m)?, at.eval(m)?) {
                (Val::List(items), Val::Int(n)) => {
                    return usize::try_from(n)
                        .ok()
                        .and_then(|n| items.get(n))
                        .ok_or(Fault::Missing)?
                        .read();
                }
                _ => return Err(Fault::Contradiction),
            },
            Node::Present(of) => match of.eval(m) {
                Ok(_) => Val::Bool(true),
                Err(Fault::Missing) => Val::Bool(false),
                Err(fault) => return Err(fault),
            },
            Node::Not(of) => Val::Bool(!of.truth(m)?),
            Node::Negate(of) => match of.eval(m)? {
                Val::Int(n) => Val::Int(n.checked_neg().ok_or(Fault::Overflow)?),
                Val::Number(n) => Val::Number(-n),
                Val::Duration(d) => Val::Duration(d.checked_neg().ok_or(Fault::Overflow)?),
                _ => return Err(Fault::Contradiction),
            },
            Node::Every(parts) => return settle(parts, m, false),
            Node::Any(parts) => return settle(parts, m, true),
            Node::Choose(three) => {
                return if three[0].truth(m)? {
                    three[1].eval(m)
                } else {
                    three[2].eval(m)
                };
            }
            Node::Widen(of) => match of.eval(m)? {
                Val::Int(n) => Val::Number(n as f64),
                _ => return Err(Fault::Contradiction),
            },
            Node::Binary(Op::In, sides) => match (sides[0].eval(m)?, sides[1].eval(m)?) {
                (needle, Val::List(items)) => {
                    m.spend(items.len())?;
                    Val::Bool(
                        items
                            .iter()
                            .any(|i| i.read().is_ok_and(|i| compare(&needle, &i) == Some(Ordering::Equal))),
                    )
                }
                _ => return Err(Fault::Contradiction),
            },
            Node::Binary(op, sides) => {
                let (a, b) = (sides[0].eval(m)?, sides[1].eval(m)?);
                return binary(*op, a, b, m);
            }
            // As in CEL, the list is made first: a missing item is a fault even where another item decides.
            Node::Among(parts) => {
                let needle = parts[0].eval(m)?;
                let mut found = false;
                for part in &parts[1..] {
                    found |= compare(&needle, &part.eval(m)?) == Some(Ordering::Equal);
                }
                Val::Bool(found)
            }
            Node::Quantify { list, body, all } => {
                let Val::List(items) = list.eval(m)? else {
                    return Err(Fault::Contradiction);
                };
                let mut fault = None;
                for item in items {
                    m.local = Some(item);
                    match body.truth(m) {
                        Ok(holds) if holds != *all => return Ok(Val::Bool(!all)),
                        Ok(_) => {}
                        Err(Fault::TooCostly) => return Err(Fault::TooCostly),
                        Err(f) => fault = fault.or(Some(f)),
                    }
                }
                return fault.map_or(Ok(Val::Bool(*all)), Err);
            }
            Node::Call(function, args) => return call(function, args, m),
        })
    }

    fn truth<'a>(&'a self, m: &mut Machine<'a>) -> Result<bool, Fault> {
        match self.eval(m)? {
            Val::Bool(b) => Ok(b),
            _ => Err(Fault::Contradiction),
        }
    }

    fn text<'a>(&'a self, m: &mut Machine<'a>) -> Result<Cow<'a, str>, Fault> {
        match self.eval(m)? {
            Val::Text(t) => {
                m.spend(t.len() / 64)?;
                Ok(t)
            }
            _ => Err(Fault::Contradiction),
        }
    }
}

impl Machine<'_> {
    fn spend(&mut self, n: usize) -> Result<(), Fault> {
        self.fuel = u32::try_from(n)
            .ok()
            .and_then(|n| self.fuel.checked_sub(n))
            .ok_or(Fault::TooCostly)?;
        Ok(())
    }
}

/// CEL's && and ||: what decides, decides, on whichever side a fault stands.
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

fn compare(a: &Val, b: &Val) -> Option<Ordering> {
    match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Int(a), Val::Int(b)) | (Val::Instant(a), Val::Instant(b)) | (Val::Duration(a), Val::Duration(b)) => {
            Some(a.cmp(b))
        }
        (Val::Number(a), Val::Number(b)) => a.partial_cmp(b),
        (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn binary<'a>(op: Op, a: Val<'a>, b: Val<'a>, m: &mut Machine<'a>) -> Out<'a> {
    if matches!(
        op,
        Op::Equal | Op::Unequal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual
    ) {
        let order = compare(&a, &b).ok_or(Fault::Contradiction)?;
        return Ok(Val::Bool(match op {
            Op::Equal => order.is_eq(),
            Op::Unequal => order.is_ne(),
            Op::Less => order.is_lt(),
            Op::LessEqual => order.is_le(),
            Op::Greater => order.is_gt(),
            _ => order.is_ge(),
        }));
    }
    let whole = |n: Option<i64>| n.ok_or(Fault::Overflow);
    Ok(match (op, a, b) {
        (Op::Add, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_add(b))?),
        (Op::Subtract, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_sub(b))?),
        (Op::Multiply, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_mul(b))?),
        (Op::Divide | Op::Remainder, Val::Int(_), Val::Int(0)) => return Err(Fault::DividedByZero),
        (Op::Divide, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_div(b))?),
        (Op::Remainder, Val::Int(a), Val::Int(b)) => Val::Int(whole(a.checked_rem(b))?),
        (op, Val::Number(a), Val::Number(b)) => {
            let n = match op {
                Op::Add => a + b,
                Op::Subtract => a - b,
                Op::Multiply => a * b,
                Op::Divide => a / b,
                _ => return Err(Fault::Contradiction),
            };
            if n.is_finite() {
                Val::Number(n)
            } else {
                return Err(if b == 0.0 {
                    Fault::DividedByZero
                } else {
                    Fault::Overflow
                });
            }
        }
        (Op::Add, Val::Text(a), Val::Text(b)) => Val::Text(join([a, b], m)?.into()),
        (Op::Add, Val::Instant(t), Val::Duration(d)) | (Op::Add, Val::Duration(d), Val::Instant(t)) => {
            Val::Instant(whole(t.checked_add(d))?)
        }
        (Op::Subtract, Val::Instant(t), Val::Duration(d)) => Val::Instant(whole(t.checked_sub(d))?),
        (Op::Subtract, Val::Instant(a), Val::Instant(b)) => Val::Duration(whole(a.checked_sub(b))?),
        (Op::Add, Val::Duration(a), Val::Duration(b)) => Val::Duration(whole(a.checked_add(b))?),
        (Op::Subtract, Val::Duration(a), Val::Duration(b)) => Val::Duration(whole(a.checked_sub(b))?),
        _ => return Err(Fault::Contradiction),
    })
}

fn join<'a>(parts: impl IntoIterator<Item = Cow<'a, str>>, m: &mut Machine<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    for part in parts {
        if out.len() + part.len() > limits::TEXT {
            return Err(Fault::TooLong);
        }
        m.spend(part.len() / 64)?;
        out.push_str(&part);
    }
    Ok(out)
}

fn call<'a>(function: &'a Function, args: &'a [Node], m: &mut Machine<'a>) -> Out<'a> {
    let number = |args: &'a [Node], m: &mut Machine<'a>| match args.first().ok_or(Fault::Contradiction)?.eval(m)? {
        Val::Int(n) | Val::Instant(n) | Val::Duration(n) => Ok(n),
        _ => Err(Fault::Contradiction),
    };
    if matches!(function, Function::Join) {
        let parts = args
            .iter()
            .map(|a| a.eval(m).and_then(|v| show(&v)))
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(Val::Text(join(parts.into_iter().map(Cow::Owned), m)?.into()));
    }
    let first = |m: &mut Machine<'a>| args.first().ok_or(Fault::Contradiction)?.text(m);
    let second = |m: &mut Machine<'a>| args.get(1).ok_or(Fault::Contradiction)?.text(m);
    Ok(match function {
        Function::Size => match args.first().ok_or(Fault::Contradiction)?.eval(m)? {
            Val::Text(t) => {
                m.spend(t.len() / 64)?;
                Val::Int(t.chars().count() as i64)
            }
            Val::List(l) => Val::Int(l.len() as i64),
            _ => return Err(Fault::Contradiction),
        },
        Function::StartsWith => Val::Bool(first(m)?.starts_with(&*second(m)?)),
        Function::EndsWith => Val::Bool(first(m)?.ends_with(&*second(m)?)),
        Function::Contains => Val::Bool(first(m)?.contains(&*second(m)?)),
        Function::Lower => Val::Text(first(m)?.to_ascii_lowercase().into()),
        Function::Upper => Val::Text(first(m)?.to_ascii_uppercase().into()),
        Function::Trim => Val::Text(first(m)?.trim().to_owned().into()),
        Function::Matches(pattern) => {
            let t = first(m)?;
            m.spend(t.len() / 16)?;
            Val::Bool(pattern.is_match(&t))
        }
        Function::ToInt => match args.first().ok_or(Fault::Contradiction)?.eval(m)? {
            Val::Int(n) => Val::Int(n),
            Val::Number(n) if n.abs() < 9.2e18 => Val::Int(n as i64),
            Val::Number(_) => return Err(Fault::Overflow),
            Val::Text(t) => Val::Int(t.parse().map_err(|_| Fault::NotANumber)?),
            _ => return Err(Fault::Contradiction),
        },
        Function::ToNumber => match args.first().ok_or(Fault::Contradiction)?.eval(m)? {
            Val::Int(n) => Val::Number(n as f64),
            Val::Number(n) => Val::Number(n),
            Val::Text(t) => Val::Number(
                t.parse()
                    .ok()
                    .filter(|n: &f64| n.is_finite())
                    .ok_or(Fault::NotANumber)?,
            ),
            _ => return Err(Fault::Contradiction),
        },
        Function::ToText => Val::Text(show(&args.first().ok_or(Fault::Contradiction)?.eval(m)?)?.into()),
        Function::ToInstant => Val::Instant(time::instant(&first(m)?).ok_or(Fault::NotATime)?),
        Function::Days => Val::Duration(number(args, m)?.checked_mul(time::DAY).ok_or(Fault::Overflow)?),
        Function::DaysBetween => Val::Int(
            time::days_between(number(args, m)?, number(&args[1..], m)?, &m.record.zone).ok_or(Fault::NotATime)?,
        ),
        Function::NextTime(at, days) => {
            Val::Instant(time::next_time(m.record.now, &m.record.zone, *at, *days).ok_or(Fault::NotATime)?)
        }
        Function::Part(part, zone) => Val::Int(time::part(number(args, m)?, zone, *part).ok_or(Fault::NotATime)?),
        Function::Whole(unit) => Val::Int(number(args, m)? / unit),
        Function::Sentiment => {
            let t = first(m)?;
            m.spend(t.len() / 8)?;
            Val::Number(sentiment(&t))
        }
        Function::Join => return Err(Fault::Contradiction),
    })
}

/// How a value stands in a text: 3, 0.5, true, 2026-11-22T09:00:00Z, 36h.
fn show(value: &Val) -> Result<String, Fault> {
    Ok(match value {
        Val::Bool(b) => b.to_string(),
        Val::Int(n) => n.to_string(),
        Val::Number(n) => n.to_string(),
        Val::Text(t) => t.to_string(),
        Val::Instant(t) => time::show(*t).ok_or(Fault::NotATime)?,
        Val::Duration(d) => format!("{}s", *d as f64 / 1e6),
        Val::List(_) | Val::Object(_) => return Err(Fault::Contradiction),
    })
}

/// A stand-in with the right shape: a word list, -1..1, linear in the text. The real list is data with a version.
fn sentiment(text: &str) -> f64 {
    let score: i32 = text
        .split(|c: char| !c.is_alphabetic())
        .map(|w| match w.to_ascii_lowercase().as_str() {
            "good" | "great" | "thanks" | "love" | "happy" => 1,
            "bad" | "broken" | "angry" | "terrible" | "never" | "worst" => -1,
            _ => 0,
        })
        .sum();
    f64::from(score.clamp(-3, 3)) / 3.0
}
