//! The functions there are: those of CEL's that journeys need, and days, nextTime, daysBetween and sentiment. What can be read from a literal
//! argument (a pattern, a time of day, a zone) is read here, so that it cannot fail later.

use super::{Checked, Checker};
use crate::expression::ast::{Ast, Kind};
use crate::expression::call::{Function, Pattern};
use crate::expression::diagnostic::{Code, Span, did_you_mean};
use crate::expression::time::{self, Part, Weekdays};
use crate::expression::tree::Node;
use crate::expression::types::Type;
use crate::expression::value::Value;
use jiff::tz::TimeZone;

/// Written `name(...)`.
const GLOBAL: [&str; 11] = [
    "has",
    "size",
    "int",
    "double",
    "string",
    "timestamp",
    "duration",
    "days",
    "nextTime",
    "daysBetween",
    "sentiment",
];
/// Written `x.name(...)`.
const METHODS: [&str; 17] = [
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "lowerAscii",
    "upperAscii",
    "trim",
    "exists",
    "all",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
];
/// CEL has them; here a list is asked about, not made.
const MACROS_LEFT_OUT: [&str; 3] = ["map", "filter", "exists_one"];

pub fn is_method(name: &str) -> bool {
    METHODS.contains(&name)
}

/// `name(args)` or `on.name(args)`; `ast` is the whole call.
pub fn check(c: &mut Checker, ast: &Ast, on: Option<&Ast>, name: &str, name_span: &Span, args: &[Ast]) -> Checked {
    match (on, name) {
        (None, "has") => match args {
            [arg] => Some((c.presence(arg)?, Type::Bool)),
            _ => wrong(c, &ast.span, "has() takes one path like customer.age", None),
        },
        (None, "size") => {
            let (node, ty) = single(c, ast, args)?;
            size(c, ast, node, ty)
        }
        (Some(on), "size") => {
            given(c, ast, args, &[])?;
            let (node, ty) = c.check(on)?;
            size(c, ast, node, ty)
        }
        (None, "int") => convert(c, ast, args, Function::ToInt, Type::Int, numeric_or_text),
        (None, "double") => convert(c, ast, args, Function::ToNumber, Type::Number, numeric_or_text),
        (None, "string") => convert(c, ast, args, Function::ToText, Type::TEXT, Type::is_scalar),
        (None, "timestamp") => timestamp(c, ast, args),
        (None, "duration") => duration(c, ast, args),
        (None, "days") => call(Function::Days, given(c, ast, args, &[Type::Int])?, Type::Duration),
        (None, "daysBetween") => {
            let nodes = given(c, ast, args, &[Type::Instant, Type::Instant])?;
            c.reads_zone = true;
            call(Function::DaysBetween, nodes, Type::Int)
        }
        (None, "nextTime") => next_time(c, ast, args),
        (None, "sentiment") => call(Function::Sentiment, given(c, ast, args, &[Type::TEXT])?, Type::Number),
        (Some(on), "startsWith") => about_text(c, ast, on, name, args, Function::StartsWith),
        (Some(on), "endsWith") => about_text(c, ast, on, name, args, Function::EndsWith),
        (Some(on), "contains") => about_text(c, ast, on, name, args, Function::Contains),
        (Some(on), "lowerAscii") => made_of_text(c, ast, on, name, args, Function::Lower),
        (Some(on), "upperAscii") => made_of_text(c, ast, on, name, args, Function::Upper),
        (Some(on), "trim") => made_of_text(c, ast, on, name, args, Function::Trim),
        (Some(on), "matches") => matches_pattern(c, ast, on, args),
        (Some(on), "exists") => c.quantify(on, args, false, &ast.span),
        (Some(on), "all") => c.quantify(on, args, true, &ast.span),
        (Some(on), "getFullYear") => part(c, ast, on, name, args, Part::Year),
        (Some(on), "getMonth") => part(c, ast, on, name, args, Part::Month),
        (Some(on), "getDate") => part(c, ast, on, name, args, Part::Date),
        (Some(on), "getDayOfWeek") => part(c, ast, on, name, args, Part::Weekday),
        (Some(on), "getHours") => part(c, ast, on, name, args, Part::Hour),
        (Some(on), "getMinutes") => part(c, ast, on, name, args, Part::Minute),
        (Some(on), "getSeconds") => part(c, ast, on, name, args, Part::Second),
        (Some(_), _) if MACROS_LEFT_OUT.contains(&name) => {
            let message = format!("{name}() is not in this language");
            c.refuse(
                Code::NotInCel,
                name_span,
                message,
                Some("ask with list.exists(x, ...) or list.all(x, ...)"),
            )
        }
        _ => {
            c.error(
                Code::UnknownFunction,
                name_span,
                format!("there is no function {name}()"),
                meant(on, name),
            );
            None
        }
    }
}

fn meant(on: Option<&Ast>, name: &str) -> Option<String> {
    let known = match on {
        Some(_) if GLOBAL.contains(&name) => return Some(format!("write {name}(...)")),
        None if METHODS.contains(&name) => return Some(format!("write x.{name}(...)")),
        Some(_) => &METHODS[..],
        None => &GLOBAL[..],
    };
    did_you_mean(name, known.iter().copied()).map(|meant| format!("did you mean {meant}()?"))
}

fn call(function: Function, args: Vec<Node>, ty: Type) -> Checked {
    Some((Node::Call(function, args.into()), ty))
}

fn wrong<T>(c: &mut Checker, span: &Span, message: &str, help: Option<&str>) -> Option<T> {
    c.refuse(Code::WrongArgument, span, message, help)
}

fn numeric_or_text(ty: &Type) -> bool {
    ty.is_numeric() || ty.fits(&Type::TEXT)
}

/// Exactly one argument, of any type.
fn single(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Checked {
    match args {
        [arg] => c.check(arg),
        _ => wrong(
            c,
            &ast.span,
            &format!("one argument is needed, {} are here", args.len()),
            None,
        ),
    }
}

/// The arguments, if they are of these types.
fn given(c: &mut Checker, ast: &Ast, args: &[Ast], wanted: &[Type]) -> Option<Vec<Node>> {
    if args.len() != wanted.len() {
        let message = format!("{} arguments are needed, {} are here", wanted.len(), args.len());
        return wrong(c, &ast.span, &message, None);
    }
    let mut nodes = Vec::new();
    for (arg, wanted) in args.iter().zip(wanted) {
        nodes.push(match c.check(arg) {
            Some((_, found)) if !found.fits(wanted) => {
                wrong(c, &arg.span, &format!("{wanted:#} is needed, this is {found:#}"), None)
            }
            checked => checked.map(|(node, _)| node),
        });
    }
    nodes.into_iter().collect()
}

/// What the method is called on, which must be a text.
fn text(c: &mut Checker, on: &Ast, name: &str) -> Option<Node> {
    let (node, found) = c.check(on)?;
    if found.fits(&Type::TEXT) {
        return Some(node);
    }
    let help = (name == "contains" && matches!(found, Type::List(_))).then_some("write x in list");
    wrong(c, &on.span, &format!("{name}() is for a text, this is {found:#}"), help)
}

fn about_text(c: &mut Checker, ast: &Ast, on: &Ast, name: &str, args: &[Ast], function: Function) -> Checked {
    let (on, args) = (text(c, on, name), given(c, ast, args, &[Type::TEXT]));
    let mut nodes = vec![on?];
    nodes.extend(args?);
    call(function, nodes, Type::Bool)
}

fn made_of_text(c: &mut Checker, ast: &Ast, on: &Ast, name: &str, args: &[Ast], function: Function) -> Checked {
    given(c, ast, args, &[])?;
    call(function, vec![text(c, on, name)?], Type::TEXT)
}

fn matches_pattern(c: &mut Checker, ast: &Ast, on: &Ast, args: &[Ast]) -> Checked {
    let node = text(c, on, "matches");
    let [
        Ast {
            kind: Kind::Text(pattern),
            span,
            ..
        },
    ] = args
    else {
        return wrong(c, &ast.span, "matches() takes a literal pattern", None);
    };
    match Pattern::new(pattern) {
        Ok(pattern) => call(Function::Matches(pattern), vec![node?], Type::Bool),
        Err(why) => wrong(c, span, &format!("this pattern is refused: {why}"), None),
    }
}

fn size(c: &mut Checker, ast: &Ast, node: Node, ty: Type) -> Checked {
    if matches!(ty, Type::Text(_) | Type::List(_)) {
        call(Function::Size, vec![node], Type::Int)
    } else {
        wrong(c, &ast.span, &format!("{ty:#} has no size"), None)
    }
}

fn convert(
    c: &mut Checker,
    ast: &Ast,
    args: &[Ast],
    function: Function,
    to: Type,
    takes: fn(&Type) -> bool,
) -> Checked {
    let (node, found) = single(c, ast, args)?;
    if takes(&found) {
        call(function, vec![node], to)
    } else {
        wrong(c, &ast.span, &format!("{found:#} does not become {to:#}"), None)
    }
}

fn timestamp(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Checked {
    let [
        Ast {
            kind: Kind::Text(literal),
            span,
            ..
        },
    ] = args
    else {
        return convert(c, ast, args, Function::ToInstant, Type::Instant, |ty| {
            ty.fits(&Type::TEXT)
        });
    };
    match time::instant(literal) {
        Some(at) => Some((Node::Const(Value::Instant(at)), Type::Instant)),
        None => {
            let help = "write '2026-11-22T09:00:00Z', or an offset like +01:00";
            wrong(c, span, "this is not a timestamp", Some(help))
        }
    }
}

fn duration(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Checked {
    let [
        Ast {
            kind: Kind::Text(literal),
            span,
            ..
        },
    ] = args
    else {
        return wrong(c, &ast.span, "duration() takes a literal like '36h'", None);
    };
    match time::duration(literal) {
        Some(length) => Some((Node::Const(Value::Duration(length)), Type::Duration)),
        None => wrong(
            c,
            span,
            "this is not a duration",
            Some("write '90s', '15m', '36h', '14d' or '1d12h'"),
        ),
    }
}

/// nextTime('09:00') or nextTime('09:00', 'Mon,Tue').
fn next_time(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Checked {
    let (at, days) = match args {
        [at] => (at, None),
        [at, days] => (at, Some(days)),
        _ => {
            return wrong(
                c,
                &ast.span,
                "write nextTime('09:00') or nextTime('09:00', 'Mon,Tue')",
                None,
            );
        }
    };
    let literal = |ast: &Ast| {
        if let Kind::Text(text) = &ast.kind {
            Some(text.clone())
        } else {
            None
        }
    };
    let Some(time) = literal(at).and_then(|text| time::time_of_day(&text)) else {
        return wrong(
            c,
            &at.span,
            "this is not a time of day",
            Some("write '09:00', from '00:00' to '23:59'"),
        );
    };
    let weekdays = match days {
        None => Weekdays::ALL,
        Some(days) => match literal(days).and_then(|text| time::weekdays(&text)) {
            Some(weekdays) => weekdays,
            None => {
                return wrong(
                    c,
                    &days.span,
                    "these are not weekdays",
                    Some("write 'Mon,Tue', from Mon to Sun"),
                );
            }
        },
    };
    (c.reads_now, c.reads_zone) = (true, true);
    call(Function::NextTime(time, weekdays), vec![], Type::Instant)
}

/// A part of a timestamp, in UTC or in the zone that is named; or the whole hours, minutes, seconds of a duration.
fn part(c: &mut Checker, ast: &Ast, on: &Ast, name: &str, args: &[Ast], part: Part) -> Checked {
    let (node, ty) = c.check(on)?;
    let unit = match part {
        Part::Hour => Some(3_600_000_000),
        Part::Minute => Some(60_000_000),
        Part::Second => Some(1_000_000),
        Part::Year | Part::Month | Part::Date | Part::Weekday => None,
    };
    match (&ty, unit, args) {
        (Type::Duration, Some(unit), []) => return call(Function::Whole(unit), vec![node], Type::Int),
        (Type::Instant, ..) => {}
        _ => {
            return wrong(
                c,
                &on.span,
                &format!("{name}() is for a timestamp, this is {ty:#}"),
                None,
            );
        }
    }
    let zone = match args {
        [] => TimeZone::UTC,
        [
            Ast {
                kind: Kind::Text(zone),
                span,
                ..
            },
        ] => match time::zone(zone) {
            Some(zone) => zone,
            None => {
                return wrong(
                    c,
                    span,
                    "this zone is not known",
                    Some("write a name like 'Europe/Vienna'"),
                );
            }
        },
        _ => return wrong(c, &ast.span, "the zone is a literal like 'Europe/Vienna'", None),
    };
    call(Function::Part(part, zone), vec![node], Type::Int)
}
