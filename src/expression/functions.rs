//! The functions there are: CEL's that journeys need, and days, nextTime, daysBetween, sentiment. What can be checked in a literal is checked here.
use crate::expression::check::Checker;
use crate::expression::diagnostic::{Code, Span, did_you_mean};
use crate::expression::limits;
use crate::expression::record::Value;
use crate::expression::syntax::{Ast, Kind};
use crate::expression::time::{self, Part};
use crate::expression::tree::{Function, Node};
use crate::expression::types::Type;

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

pub fn is_method(name: &str) -> bool {
    METHODS.contains(&name)
}

pub fn check(
    c: &mut Checker,
    ast: &Ast,
    on: Option<&Ast>,
    name: &str,
    name_span: &Span,
    args: &[Ast],
) -> Option<(Node, Type)> {
    let text = || vec![("a text", Type::TEXT)];
    match (on, name) {
        (None, "has") => match args {
            [arg] => c.presence(arg).map(|node| (node, Type::Bool)),
            _ => wrong(c, &ast.span, "has() takes one path like customer.age", None),
        },
        (None, "size") => {
            let (node, ty) = single(c, ast, args)?;
            size(c, ast, node, ty)
        }
        (Some(on), "size") if args.is_empty() => {
            let (node, ty) = c.check(on)?;
            size(c, ast, node, ty)
        }
        (None, "int") => convert(c, ast, args, Function::ToInt, Type::Int, |t| {
            t.is_numeric() || t.fits(&Type::TEXT)
        }),
        (None, "double") => convert(c, ast, args, Function::ToNumber, Type::Number, |t| {
            t.is_numeric() || t.fits(&Type::TEXT)
        }),
        (None, "string") => convert(c, ast, args, Function::ToText, Type::TEXT, |t| {
            !matches!(t, Type::List(_) | Type::Object(_) | Type::Opaque)
        }),
        (None, "timestamp") => match args {
            [
                Ast {
                    kind: Kind::Text(t),
                    span,
                    ..
                },
            ] => match time::instant(t) {
                Some(at) => Some((Node::Const(Value::Instant(at)), Type::Instant)),
                None => wrong(
                    c,
                    span,
                    "this is not a timestamp",
                    Some("write '2026-11-22T09:00:00Z', or an offset like +01:00"),
                ),
            },
            _ => convert(c, ast, args, Function::ToInstant, Type::Instant, |t| {
                t.fits(&Type::TEXT)
            }),
        },
        (None, "duration") => match args {
            [
                Ast {
                    kind: Kind::Text(t),
                    span,
                    ..
                },
            ] => match time::duration(t) {
                Some(d) => Some((Node::Const(Value::Duration(d)), Type::Duration)),
                None => wrong(
                    c,
                    span,
                    "this is not a duration",
                    Some("write '90s', '15m', '36h', '14d' or '1d12h'"),
                ),
            },
            _ => wrong(c, &ast.span, "duration() takes a literal like '36h'", None),
        },
        (None, "days") => {
            let n = given(c, ast, args, vec![("an integer", Type::Int)])?;
            Checker::call(Function::Days, n, Type::Duration)
        }
        (None, "daysBetween") => {
            let n = given(
                c,
                ast,
                args,
                vec![("a timestamp", Type::Instant), ("a timestamp", Type::Instant)],
            )?;
            c.zone = true;
            Checker::call(Function::DaysBetween, n, Type::Int)
        }
        (None, "sentiment") => {
            let n = given(c, ast, args, text())?;
            Checker::call(Function::Sentiment, n, Type::Number)
        }
        (None, "nextTime") => next_time(c, ast, args),
        (Some(on), "startsWith" | "endsWith" | "contains") => {
            let function = match name {
                "startsWith" => Function::StartsWith,
                "endsWith" => Function::EndsWith,
                _ => Function::Contains,
            };
            let (mut node, rest) = (vec![receiver(c, on, &Type::TEXT, name)?], given(c, ast, args, text())?);
            node.extend(rest);
            Checker::call(function, node, Type::Bool)
        }
        (Some(on), "lowerAscii" | "upperAscii" | "trim") => {
            given(c, ast, args, vec![])?;
            let function = match name {
                "lowerAscii" => Function::Lower,
                "upperAscii" => Function::Upper,
                _ => Function::Trim,
            };
            let node = receiver(c, on, &Type::TEXT, name)?;
            Checker::call(function, vec![node], Type::TEXT)
        }
        (Some(on), "matches") => {
            let node = receiver(c, on, &Type::TEXT, name)?;
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
            let built = if pattern.len() > limits::PATTERN {
                Err("it is too long".into())
            } else {
                regex::RegexBuilder::new(pattern)
                    .size_limit(limits::PATTERN_MEMORY)
                    .dfa_size_limit(limits::PATTERN_MEMORY)
                    .nest_limit(16)
                    .build()
                    .map_err(|e| e.to_string().lines().last().unwrap_or_default().to_owned())
            };
            match built {
                Ok(regex) => Checker::call(Function::Matches(Box::new(regex)), vec![node], Type::Bool),
                Err(why) => wrong(c, span, &format!("this pattern is refused: {why}"), None),
            }
        }
        (Some(on), "exists" | "all") => c.quantify(on, args, name == "all", &ast.span),
        (
            Some(on),
            "getFullYear" | "getMonth" | "getDate" | "getDayOfWeek" | "getHours" | "getMinutes" | "getSeconds",
        ) => part(c, ast, on, name, args),
        _ => {
            let known: &[&str] = if on.is_some() { &METHODS } else { &GLOBAL };
            let other: &[&str] = if on.is_some() { &GLOBAL } else { &METHODS };
            let help = if other.contains(&name) {
                Some(if on.is_some() {
                    format!("write {name}(...)")
                } else {
                    format!("write x.{name}(...)")
                })
            } else {
                did_you_mean(name, known.iter().copied()).map(|m| format!("did you mean {m}()?"))
            };
            c.error(
                Code::UnknownFunction,
                name_span,
                format!("there is no function {name}()"),
                help,
            );
            None
        }
    }
}

fn wrong<T>(c: &mut Checker, span: &Span, message: &str, help: Option<&str>) -> Option<T> {
    c.error(Code::WrongArgument, span, message.into(), help.map(Into::into));
    None
}

fn single(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Option<(Node, Type)> {
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

fn given(c: &mut Checker, ast: &Ast, args: &[Ast], wanted: Vec<(&str, Type)>) -> Option<Vec<Node>> {
    if args.len() != wanted.len() {
        return wrong(
            c,
            &ast.span,
            &format!("{} arguments are needed, {} are here", wanted.len(), args.len()),
            None,
        );
    }
    let checked: Vec<_> = args
        .iter()
        .zip(wanted)
        .map(|(arg, (what, ty))| {
            let (node, found) = c.check(arg)?;
            if found.fits(&ty) {
                Some(node)
            } else {
                wrong(c, &arg.span, &format!("{what} is needed, this is {found:#}"), None)
            }
        })
        .collect();
    checked.into_iter().collect()
}

fn receiver(c: &mut Checker, on: &Ast, ty: &Type, name: &str) -> Option<Node> {
    let (node, found) = c.check(on)?;
    let help = (name == "contains" && matches!(found, Type::List(_))).then_some("write x in list");
    if found.fits(ty) {
        Some(node)
    } else {
        wrong(c, &on.span, &format!("{name}() is for {ty:#}, this is {found:#}"), help)
    }
}

fn size(c: &mut Checker, ast: &Ast, node: Node, ty: Type) -> Option<(Node, Type)> {
    if matches!(ty, Type::Text(_) | Type::List(_)) {
        Checker::call(Function::Size, vec![node], Type::Int)
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
    takes: impl Fn(&Type) -> bool,
) -> Option<(Node, Type)> {
    let (node, ty) = single(c, ast, args)?;
    if takes(&ty) {
        Checker::call(function, vec![node], to)
    } else {
        wrong(c, &ast.span, &format!("{ty:#} does not become a {to}"), None)
    }
}

fn next_time(c: &mut Checker, ast: &Ast, args: &[Ast]) -> Option<(Node, Type)> {
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
    let literal = |a: &Ast| {
        if let Kind::Text(t) = &a.kind {
            Some(t.clone())
        } else {
            None
        }
    };
    let Some(time) = literal(at).and_then(|t| time::time_of_day(&t)) else {
        return wrong(
            c,
            &at.span,
            "this is not a time of day",
            Some("write '09:00', from '00:00' to '23:59'"),
        );
    };
    let weekdays = match days {
        None => time::Weekdays::ALL,
        Some(days) => match literal(days).and_then(|t| time::weekdays(&t)) {
            Some(w) => w,
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
    (c.now, c.zone) = (true, true);
    Checker::call(Function::NextTime(time, weekdays), vec![], Type::Instant)
}

fn part(c: &mut Checker, ast: &Ast, on: &Ast, name: &str, args: &[Ast]) -> Option<(Node, Type)> {
    let (node, ty) = c.check(on)?;
    if ty == Type::Duration && args.is_empty() && matches!(name, "getHours" | "getMinutes" | "getSeconds") {
        let unit = match name {
            "getHours" => 3_600_000_000,
            "getMinutes" => 60_000_000,
            _ => 1_000_000,
        };
        return Checker::call(Function::Whole(unit), vec![node], Type::Int);
    }
    if ty != Type::Instant {
        return wrong(
            c,
            &on.span,
            &format!("{name}() is for a timestamp, this is {ty:#}"),
            None,
        );
    }
    let part = match name {
        "getFullYear" => Part::Year,
        "getMonth" => Part::Month,
        "getDate" => Part::Date,
        "getDayOfWeek" => Part::Weekday,
        "getHours" => Part::Hour,
        "getMinutes" => Part::Minute,
        _ => return wrong(c, &ast.span, "a timestamp's seconds are not asked for here", None),
    };
    let zone = match args {
        [] => jiff::tz::TimeZone::UTC,
        [
            Ast {
                kind: Kind::Text(zone),
                span,
                ..
            },
        ] if zone.len() <= 64 => match jiff::tz::TimeZone::get(zone) {
            Ok(zone) => zone,
            Err(_) => {
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
    Checker::call(Function::Part(part, zone), vec![node], Type::Int)
}
