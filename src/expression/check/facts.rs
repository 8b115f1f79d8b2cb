//! What has() proves: which paths are there where a condition is known to be true, or false.

use crate::expression::ast::{Ast, Kind};
use crate::expression::record::push_member;

/// The paths, as they are written, that are there if `ast` is `truth`.
pub fn facts(ast: &Ast, truth: bool) -> Vec<String> {
    match &ast.kind {
        Kind::Call {
            on: None, name, args, ..
        } if name == "has" && truth => args.first().map(prefixes).unwrap_or_default(),
        Kind::Not(of) => facts(of, !truth),
        Kind::Every(parts) if truth => parts.iter().flat_map(|part| facts(part, true)).collect(),
        Kind::Any(parts) if !truth => parts.iter().flat_map(|part| facts(part, false)).collect(),
        // One of the parts decided, and nobody knows which: only what all of them prove is proved.
        Kind::Every(parts) | Kind::Any(parts) => {
            let mut each = parts.iter().map(|part| facts(part, truth));
            let first = each.next().unwrap_or_default();
            each.fold(first, |kept, more| {
                kept.into_iter().filter(|path| more.contains(path)).collect()
            })
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Number(_)
        | Kind::Text(_)
        | Kind::Name(_)
        | Kind::Member(..)
        | Kind::Index(..)
        | Kind::Call { .. }
        | Kind::List(_)
        | Kind::Negate(_)
        | Kind::Binary(..)
        | Kind::Choose(_) => vec![],
    }
}

/// A path and all it stands on: of `event.cart.id` also `event.cart` and `event`.
fn prefixes(ast: &Ast) -> Vec<String> {
    let mut all = match &ast.kind {
        Kind::Member(of, ..) | Kind::Index(of, _) => prefixes(of),
        _ => vec![],
    };
    all.extend(path(ast));
    all
}

/// The path as it is written; None where it is not made of names and literals.
pub fn path(ast: &Ast) -> Option<String> {
    match &ast.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Member(of, name, _) => member(path(of)?, name),
        Kind::Index(of, at) => match &at.kind {
            Kind::Text(name) => member(path(of)?, name),
            Kind::Int(n) => Some(format!("{}[{n}]", path(of)?)),
            _ => None,
        },
        _ => None,
    }
}

fn member(mut path: String, name: &str) -> Option<String> {
    push_member(&mut path, name);
    Some(path)
}
