//! When a value may change if nothing but time passes: so that whoever waits for a condition looks at it then, and not before.
//!
//! One walk gives of each part its value now, and how it moves: it stands still until some instant, or it is an instant or a duration that
//! grows evenly with `now`. Comparisons of what moves evenly are solved exactly; calendar functions change at the midnights, hours and
//! named times of their zone; `nextTime()` when it has come. What is computed from a moving instant in another way (a text, a derived
//! timestamp) is looked at again after [`RECHECK`].

use super::ast::Op;
use super::call::Function;
use super::record::Record;
use super::time::{self, Part};
use super::tree::{Fault, Machine, Node, Out};
use super::value::{Val, Value};
use crate::clock::MINUTE;
use jiff::tz::TimeZone;

/// After this the value is looked at again where its next change cannot be computed.
pub const RECHECK: i64 = MINUTE;

const NEVER: i64 = i64::MAX;

/// A part's value now, and how it goes on.
struct Outlook<'a> {
    value: Out<'a>,
    /// Microseconds that an instant or a duration grows by in one of `now`; 0: it stands still.
    pace: i64,
    /// The value goes on so before this instant, which is after now.
    until: i64,
}

/// The earliest instant after the record's `now` at which the value of `tree` may be another one, in microseconds since 1970. None: time
/// does not change it. Between now and then the value is what it is now.
pub fn next_change(tree: &Node, record: &Record) -> Option<i64> {
    let outlook = look(tree, &mut Machine::new(record));
    let until = match outlook.value {
        // The walk itself was too costly: it says nothing of what comes.
        Err(Fault::TooCostly) => soon(record),
        Ok(_) | Err(_) if outlook.pace != 0 => soon(record),
        Ok(_) | Err(_) => outlook.until,
    };
    (until != NEVER).then_some(until.max(record.now.saturating_add(1)))
}

fn soon(record: &Record) -> i64 {
    record.now.saturating_add(RECHECK)
}

fn still<'a>(value: Out<'a>, until: i64) -> Outlook<'a> {
    Outlook { value, pace: 0, until }
}

fn look<'a>(node: &'a Node, m: &mut Machine<'a>) -> Outlook<'a> {
    match node {
        Node::Const(_) | Node::Slot(_) | Node::Local => still(node.eval(m), NEVER),
        Node::Now => Outlook {
            value: node.eval(m),
            pace: 1,
            until: NEVER,
        },
        Node::Every(parts) => settle(parts.iter().map(|part| (part, None)), m, false),
        Node::Any(parts) => settle(parts.iter().map(|part| (part, None)), m, true),
        Node::Choose(three) => choose(three, m),
        Node::Negate(of) => {
            let below = look(of, m);
            Outlook {
                value: node.eval(m),
                pace: -below.pace,
                until: below.until,
            }
        }
        Node::Binary(Op::Add | Op::Subtract, sides) => {
            let (a, b) = (look(&sides[0], m), look(&sides[1], m));
            let subtracts = matches!(node, Node::Binary(Op::Subtract, _));
            Outlook {
                value: node.eval(m),
                pace: if subtracts { a.pace - b.pace } else { a.pace + b.pace },
                until: a.until.min(b.until),
            }
        }
        Node::Binary(op, sides) => compare(node, *op, sides, m),
        Node::Quantify { list, body, all } => {
            let below = look(list, m);
            match below.value {
                Ok(Val::List(items)) => {
                    let inner = settle(items.iter().map(|item| (&**body, Some(item))), m, !*all);
                    still(node.eval(m), inner.until.min(below.until))
                }
                Ok(_) | Err(_) => still(node.eval(m), below.until),
            }
        }
        Node::Call(function, args) => call(node, function, args, m),
        Node::Present(of) => {
            // Whether it is there does not move, whatever it is.
            let below = look(of, m);
            still(node.eval(m), below.until)
        }
        Node::Field(of, _) | Node::Not(of) | Node::Widen(of) => all_still(node, std::slice::from_ref(&**of), m),
        Node::Item(of, at) => {
            let (of, at) = (look(of, m), look(at, m));
            still(node.eval(m), of.until.min(at.until))
        }
        Node::Among(parts) => all_still(node, parts, m),
    }
}

/// A value computed from parts that stand still; one that moves makes it anybody's guess.
fn all_still<'a>(node: &'a Node, parts: &'a [Node], m: &mut Machine<'a>) -> Outlook<'a> {
    let mut until = NEVER;
    for part in parts {
        let below = look(part, m);
        until = until.min(if below.pace == 0 {
            below.until
        } else {
            soon(m.record).min(below.until)
        });
    }
    still(node.eval(m), until)
}

/// `&&`, `||`, all() and exists(): as long as one part decides, the others do not matter.
fn settle<'a>(
    parts: impl Iterator<Item = (&'a Node, Option<&'a Value>)>,
    m: &mut Machine<'a>,
    decides: bool,
) -> Outlook<'a> {
    let (mut decided, mut until, mut fault) = (None::<i64>, NEVER, None);
    for (part, item) in parts {
        if item.is_some() {
            m.local = item;
        }
        let below = look(part, m);
        match below.value {
            Ok(Val::Bool(b)) if b == decides => {
                decided = Some(decided.map_or(below.until, |before| before.max(below.until)));
            }
            Ok(_) => {}
            Err(Fault::TooCostly) => return still(Err(Fault::TooCostly), soon(m.record)),
            Err(why) => fault = fault.or(Some(why)),
        }
        until = until.min(below.until);
    }
    match (decided, fault) {
        (Some(until), _) => still(Ok(Val::Bool(decides)), until),
        (None, Some(fault)) => still(Err(fault), until),
        (None, None) => still(Ok(Val::Bool(!decides)), until),
    }
}

fn choose<'a>(three: &'a [Node; 3], m: &mut Machine<'a>) -> Outlook<'a> {
    let [when, yes, no] = three;
    let asked = look(when, m);
    let chosen = match asked.value {
        Ok(Val::Bool(true)) => look(yes, m),
        Ok(Val::Bool(false)) => look(no, m),
        Ok(_) => return still(Err(Fault::Contradiction), asked.until),
        Err(fault) => return still(Err(fault), asked.until),
    };
    Outlook {
        until: chosen.until.min(asked.until),
        ..chosen
    }
}

/// Two values, of which each may move: exact where they are instants or durations.
fn compare<'a>(node: &'a Node, op: Op, sides: &'a [Node; 2], m: &mut Machine<'a>) -> Outlook<'a> {
    let (a, b) = (look(&sides[0], m), look(&sides[1], m));
    let value = node.eval(m);
    let until = a.until.min(b.until);
    let pace = a.pace - b.pace;
    if pace == 0 && (a.pace == 0 || op.compares() && op != Op::In) {
        return still(value, until);
    }
    // A side that has no value and stands still has none until it changes.
    if [&a, &b].iter().any(|side| side.pace == 0 && side.value.is_err()) {
        return still(value, until);
    }
    let apart = match (&a.value, &b.value) {
        (Ok(Val::Instant(a)), Ok(Val::Instant(b))) | (Ok(Val::Duration(a)), Ok(Val::Duration(b))) => {
            i128::from(*a) - i128::from(*b)
        }
        _ => return still(value, until.min(soon(m.record))),
    };
    let change = crossing(op, apart, i128::from(pace)).map_or(NEVER, |after| {
        i64::try_from(i128::from(m.record.now) + after).unwrap_or(NEVER)
    });
    still(value, until.min(change))
}

/// After how many microseconds `apart op 0` becomes another truth, when `apart` grows by `pace` each.
fn crossing(op: Op, apart: i128, pace: i128) -> Option<i128> {
    let truth = |apart: i128| match op {
        Op::Equal => apart == 0,
        Op::Unequal => apart != 0,
        Op::Less => apart < 0,
        Op::LessEqual => apart <= 0,
        Op::Greater => apart > 0,
        Op::GreaterEqual => apart >= 0,
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder | Op::In => false,
    };
    // The sign changes where the two meet, if they do at a whole microsecond, and the next one; when they have met, at once.
    let meet = if apart == 0 { 0 } else { -apart / pace };
    [meet, meet + 1]
        .into_iter()
        .filter(|after| *after > 0)
        .find(|after| truth(apart + pace * after) != truth(apart))
}

fn call<'a>(node: &'a Node, function: &'a Function, args: &'a [Node], m: &mut Machine<'a>) -> Outlook<'a> {
    match function {
        Function::NextTime(..) => {
            let value = node.eval(m);
            let until = match value {
                Ok(Val::Instant(at)) => at,
                Ok(_) | Err(_) => NEVER,
            };
            still(value, until)
        }
        Function::DaysBetween => {
            let zone = m.record.zone.clone();
            let until = args
                .iter()
                .map(|arg| calendar(arg, &zone, Part::Date, m))
                .min()
                .unwrap_or(NEVER);
            still(node.eval(m), until)
        }
        Function::Part(part, zone) => {
            let until = args
                .iter()
                .map(|arg| calendar(arg, zone, *part, m))
                .min()
                .unwrap_or(NEVER);
            still(node.eval(m), until)
        }
        Function::Whole(unit) => {
            let Some(arg) = args.first() else {
                return still(node.eval(m), NEVER);
            };
            let below = look(arg, m);
            let until = match below.value {
                Ok(Val::Duration(length)) if below.pace != 0 => {
                    let after = boundary(i128::from(length), i128::from(below.pace), i128::from(*unit));
                    i64::try_from(i128::from(m.record.now) + after).unwrap_or(NEVER)
                }
                Ok(_) | Err(_) => NEVER,
            };
            still(node.eval(m), until.min(below.until))
        }
        Function::Size
        | Function::StartsWith
        | Function::EndsWith
        | Function::Contains
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Matches(_)
        | Function::ToInt
        | Function::ToNumber
        | Function::ToText
        | Function::ToInstant
        | Function::Days
        | Function::Join
        | Function::Sentiment => all_still(node, args, m),
    }
}

/// After how many microseconds `length / unit`, cut, is another number, when `length` grows by `pace` each.
fn boundary(length: i128, pace: i128, unit: i128) -> i128 {
    let whole = |length: i128| length / unit;
    let now = whole(length);
    // The cut is towards zero, so the step around zero is twice as wide.
    let next = if pace > 0 {
        if now < 0 { now * unit + 1 } else { (now + 1) * unit }
    } else if now > 0 {
        now * unit - 1
    } else {
        (now - 1) * unit
    };
    let (way, pace) = ((next - length).abs(), pace.abs());
    (way + pace - 1) / pace
}

/// When a calendar's part of the instant that `arg` gives changes in `zone`.
fn calendar<'a>(arg: &'a Node, zone: &TimeZone, part: Part, m: &mut Machine<'a>) -> i64 {
    let below = look(arg, m);
    let until = match (below.value, below.pace) {
        (_, 0) => NEVER,
        (Ok(Val::Instant(at)), 1) => time::next_part(at, zone, part).map_or_else(
            || soon(m.record),
            |change| m.record.now.saturating_add(change.saturating_sub(at)),
        ),
        (Ok(_) | Err(_), _) => soon(m.record),
    };
    until.min(below.until)
}

#[cfg(test)]
mod tests;
