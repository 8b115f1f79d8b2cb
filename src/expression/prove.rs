//! What can be said of conditions without a single value: that one never holds, always holds, or holds only where another does. Sound and
//! not complete: what is said is so, and of what is too large or too clever nothing is said.
//!
//! A condition is taken apart into the ways in which it holds; each is a set of facts about terms (`customer.tier`, `event.items`, or a call
//! as it is written). A way whose facts contradict each other is none.

use super::ast::Op;
use super::call::Function;
use super::program::Program;
use super::record::Slot;
use super::tree::Node;
use super::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ways that are looked at for one question.
const WAYS: usize = 200;

/// One way in which a condition holds.
#[derive(Debug, Clone, Default)]
struct Way {
    facts: BTreeMap<String, Fact>,
    /// What must be there for it: the slots that a fact is about.
    present: BTreeSet<Slot>,
    /// What must be missing.
    missing: BTreeSet<Slot>,
}

/// What is so of one term.
#[derive(Debug, Clone)]
enum Fact {
    Truth(bool),
    /// Whole numbers, instants and durations: bounds that belong to it, and what it is not.
    Whole {
        least: i64,
        most: i64,
        never: BTreeSet<i64>,
    },
    /// Numbers: bounds, and whether they belong to it.
    Number {
        above: (f64, bool),
        below: (f64, bool),
    },
    /// Texts that it is among, where they are known, and that it is not.
    Text {
        among: Option<BTreeSet<Arc<str>>>,
        never: BTreeSet<Arc<str>>,
    },
}

impl Program {
    /// Whether there is no record on which it holds.
    pub fn never_holds(&self) -> bool {
        matches!(ways(self.tree(), true), Some(ways) if ways.is_empty())
    }

    /// Whether it holds on every record, whatever may be missing. Of attributes that are derived it is not known whether they have a value:
    /// who asks makes sure that it reads none.
    pub fn always_holds(&self) -> bool {
        self.is_total()
            && cannot_fail(self.tree(), None)
            && matches!(ways(self.tree(), false), Some(ways) if ways.is_empty())
    }

    /// Whether there is no record on which both hold. Both are of the same layout.
    pub fn excludes(&self, other: &Program) -> bool {
        let both = ways(self.tree(), true).zip(ways(other.tree(), true));
        both.and_then(|(a, b)| all(a, &b)).is_some_and(|both| both.is_empty())
    }

    /// Whether one of the others holds on every record on which this one does. All are of the same layout.
    pub fn implies_one_of<'a>(&self, others: impl IntoIterator<Item = &'a Program> + Clone) -> bool {
        // The same words have the same value.
        if others
            .clone()
            .into_iter()
            .any(|other| named(other.tree()) == named(self.tree()))
        {
            return true;
        }
        let Some(own) = ways(self.tree(), true) else {
            return false;
        };
        own.into_iter().all(|way| {
            let mut left = vec![way.clone()];
            for other in others.clone() {
                // Only of what has a value is it sure that it is false where it is not true.
                let sure = cannot_fail(other.tree(), Some(&way.present));
                if sure && let Some(ways) = ways(other.tree(), false) {
                    match all(left, &ways) {
                        Some(less) => left = less,
                        None => return false,
                    }
                }
                if left.is_empty() {
                    return true;
                }
            }
            false
        })
    }
}

/// The ways in which a condition is true, or false; None: too many.
fn ways(node: &Node, wanted: bool) -> Option<Vec<Way>> {
    match node {
        Node::Const(Value::Bool(b)) => Some(if *b == wanted { vec![Way::default()] } else { vec![] }),
        Node::Not(of) => ways(of, !wanted),
        Node::Every(parts) if wanted => every(parts, true),
        Node::Every(parts) => any(parts, false),
        Node::Any(parts) if wanted => any(parts, true),
        Node::Any(parts) => every(parts, false),
        Node::Choose(three) => {
            let [when, yes, no] = &**three;
            let mut first = all(ways(when, true)?, &ways(yes, wanted)?)?;
            first.extend(all(ways(when, false)?, &ways(no, wanted)?)?);
            bounded(first)
        }
        Node::Present(of) => Some(vec![presence(of, wanted)]),
        Node::Binary(op, sides) => Some(match compared(*op, &sides[0], &sides[1], wanted) {
            Some(way) => way.into_iter().collect(),
            None => vec![opaque(node, wanted)],
        }),
        Node::Among(parts) => Some(match among(parts, wanted) {
            Some(way) => way.into_iter().collect(),
            None => vec![opaque(node, wanted)],
        }),
        Node::Const(_)
        | Node::Slot(_)
        | Node::Now
        | Node::Local
        | Node::Field(..)
        | Node::Item(..)
        | Node::Negate(_)
        | Node::Widen(_)
        | Node::Quantify { .. }
        | Node::Call(..) => Some(vec![opaque(node, wanted)]),
    }
}

fn every(parts: &[Node], wanted: bool) -> Option<Vec<Way>> {
    let mut together = vec![Way::default()];
    for part in parts {
        together = all(together, &ways(part, wanted)?)?;
    }
    Some(together)
}

fn any(parts: &[Node], wanted: bool) -> Option<Vec<Way>> {
    let mut each = vec![];
    for part in parts {
        each.extend(ways(part, wanted)?);
        each = bounded(each)?;
    }
    Some(each)
}

/// The ways that are one of both lists, without contradictions.
fn all(left: Vec<Way>, right: &[Way]) -> Option<Vec<Way>> {
    if left.len().saturating_mul(right.len()) > WAYS * WAYS {
        return None;
    }
    bounded(
        left.iter()
            .flat_map(|a| right.iter().filter_map(|b| a.and(b)))
            .collect(),
    )
}

fn bounded(ways: Vec<Way>) -> Option<Vec<Way>> {
    (ways.len() <= WAYS).then_some(ways)
}

impl Way {
    /// Both; None: they contradict each other.
    fn and(&self, other: &Way) -> Option<Way> {
        let mut both = self.clone();
        both.present.extend(&other.present);
        both.missing.extend(&other.missing);
        if !both.present.is_disjoint(&both.missing) {
            return None;
        }
        for (term, fact) in &other.facts {
            let fact = match both.facts.remove(term) {
                Some(known) => known.and(fact)?,
                None => fact.clone(),
            };
            both.facts.insert(term.clone(), fact);
        }
        Some(both)
    }

    fn of(term: &Node, fact: Fact) -> Way {
        let mut way = Way::default();
        // Two evaluations may have different moments.
        if depends_on_now(term) {
            return way;
        }
        way.facts.insert(named(term), fact);
        way.present.extend(slot(term));
        way
    }
}

impl Fact {
    fn and(self, other: &Fact) -> Option<Fact> {
        match (self, other) {
            (Fact::Truth(a), Fact::Truth(b)) => (a == *b).then_some(Fact::Truth(a)),
            (
                Fact::Whole { least, most, mut never },
                Fact::Whole {
                    least: l,
                    most: m,
                    never: n,
                },
            ) => {
                never.extend(n);
                Fact::Whole {
                    least: least.max(*l),
                    most: most.min(*m),
                    never,
                }
                .possible()
            }
            (Fact::Number { above, below }, Fact::Number { above: a, below: b }) => {
                // Of two equal bounds the one that does not belong to it is the narrower.
                let above = if (a.0, !a.1) > (above.0, !above.1) { *a } else { above };
                let below = if (b.0, b.1) < (below.0, below.1) { *b } else { below };
                Fact::Number { above, below }.possible()
            }
            (Fact::Text { among, mut never }, Fact::Text { among: b, never: n }) => {
                never.extend(n.iter().cloned());
                let among = match (among, b) {
                    (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
                    (Some(one), None) => Some(one),
                    (None, of) => of.clone(),
                };
                Fact::Text { among, never }.possible()
            }
            // A term has one type; if not, nothing is known of it.
            (known, _) => Some(known),
        }
    }

    /// None: there is no such value.
    fn possible(self) -> Option<Fact> {
        let there_is = match &self {
            Fact::Truth(_) => true,
            Fact::Whole { least, most, never } => {
                let width = i128::from(*most) - i128::from(*least);
                width >= 0 && (width >= never.len() as i128 || (*least..=*most).any(|n| !never.contains(&n)))
            }
            Fact::Number { above, below } => above.0 < below.0 || (above.0 == below.0 && above.1 && below.1),
            Fact::Text { among, never } => among
                .as_ref()
                .is_none_or(|among| among.iter().any(|text| !never.contains(text))),
        };
        there_is.then_some(self)
    }
}

/// has(x) is so, or is not.
fn presence(of: &Node, wanted: bool) -> Way {
    let mut way = Way::default();
    match slot(of) {
        Some(slot) if wanted => {
            way.present.insert(slot);
        }
        Some(slot) => {
            way.missing.insert(slot);
        }
        None if depends_on_now(of) => {}
        None => {
            way.facts.insert(format!("has {of:?}"), Fact::Truth(wanted));
        }
    }
    way
}

/// What cannot be looked into: the same words have the same value.
fn opaque(node: &Node, wanted: bool) -> Way {
    Way::of(node, Fact::Truth(wanted))
}

/// `a op b` where one side is a literal. None: it is something else. Some(None): it cannot be.
fn compared(op: Op, a: &Node, b: &Node, wanted: bool) -> Option<Option<Way>> {
    let (op, term, value) = match (a, b) {
        (Node::Const(_), Node::Const(_)) => return None,
        (term, Node::Const(value)) => (op, term, value),
        (Node::Const(value), term) => (turned(op)?, term, value),
        _ => return None,
    };
    let op = if wanted { op } else { opposite(op)? };
    let fact = match value {
        Value::Bool(b) => match op {
            Op::Equal => Fact::Truth(*b),
            Op::Unequal => Fact::Truth(!*b),
            _ => return None,
        },
        Value::Int(n) | Value::Instant(n) | Value::Duration(n) => {
            return Some(whole(op, *n)?.map(|fact| Way::of(term, fact)));
        }
        Value::Number(n) => {
            let (low, high) = ((f64::NEG_INFINITY, true), (f64::INFINITY, true));
            let (above, below) = match op {
                Op::Equal => ((*n, true), (*n, true)),
                Op::Less => (low, (*n, false)),
                Op::LessEqual => (low, (*n, true)),
                Op::Greater => ((*n, false), high),
                Op::GreaterEqual => ((*n, true), high),
                // Two intervals; not worth two ways.
                _ => return None,
            };
            Fact::Number { above, below }
        }
        Value::Text(text) => {
            let one = BTreeSet::from([text.clone()]);
            match op {
                Op::Equal => Fact::Text {
                    among: Some(one),
                    never: BTreeSet::new(),
                },
                Op::Unequal => Fact::Text {
                    among: None,
                    never: one,
                },
                _ => return None,
            }
        }
        Value::Missing | Value::Fault(_) | Value::List(_) | Value::Object(_) => return None,
    };
    Some(Some(Way::of(term, fact)))
}

/// Some(None): there is no such number.
fn whole(op: Op, n: i64) -> Option<Option<Fact>> {
    let (mut least, mut most, mut never) = (i64::MIN, i64::MAX, BTreeSet::new());
    match op {
        Op::Equal => (least, most) = (n, n),
        Op::Unequal => {
            never.insert(n);
        }
        Op::Less => match n.checked_sub(1) {
            Some(n) => most = n,
            None => return Some(None),
        },
        Op::LessEqual => most = n,
        Op::Greater => match n.checked_add(1) {
            Some(n) => least = n,
            None => return Some(None),
        },
        Op::GreaterEqual => least = n,
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder | Op::In => return None,
    }
    Some(Some(Fact::Whole { least, most, never }))
}

/// `term in [literals]`.
fn among(parts: &[Node], wanted: bool) -> Option<Option<Way>> {
    let (term, rest) = parts.split_first()?;
    if matches!(term, Node::Const(_)) {
        return None;
    }
    let texts: Option<BTreeSet<Arc<str>>> = rest
        .iter()
        .map(|part| match part {
            Node::Const(Value::Text(text)) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let texts = texts?;
    Some(match (wanted, texts.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Way::of(
            term,
            Fact::Text {
                among: Some(texts),
                never: BTreeSet::new(),
            },
        )),
        (false, _) => Some(Way::of(
            term,
            Fact::Text {
                among: None,
                never: texts,
            },
        )),
    })
}

/// `b op a` for `a op b`.
fn turned(op: Op) -> Option<Op> {
    Some(match op {
        Op::Equal | Op::Unequal => op,
        Op::Less => Op::Greater,
        Op::LessEqual => Op::GreaterEqual,
        Op::Greater => Op::Less,
        Op::GreaterEqual => Op::LessEqual,
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder | Op::In => return None,
    })
}

/// What is so where the comparison is false: both sides have values then.
fn opposite(op: Op) -> Option<Op> {
    Some(match op {
        Op::Equal => Op::Unequal,
        Op::Unequal => Op::Equal,
        Op::Less => Op::GreaterEqual,
        Op::LessEqual => Op::Greater,
        Op::Greater => Op::LessEqual,
        Op::GreaterEqual => Op::Less,
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder | Op::In => return None,
    })
}

/// The slot that a term is, alone or made a number.
fn slot(term: &Node) -> Option<Slot> {
    match term {
        Node::Slot(slot) => Some(*slot),
        Node::Widen(of) => slot_of(of),
        _ => None,
    }
}

fn slot_of(term: &Node) -> Option<Slot> {
    if let Node::Slot(slot) = term { Some(*slot) } else { None }
}

/// What a term is called among facts: how it is written.
fn named(term: &Node) -> String {
    format!("{term:?}")
}

fn depends_on_now(node: &Node) -> bool {
    match node {
        Node::Now => true,
        Node::Const(_) | Node::Slot(_) | Node::Local => false,
        Node::Field(of, _) | Node::Present(of) | Node::Not(of) | Node::Negate(of) | Node::Widen(of) => {
            depends_on_now(of)
        }
        Node::Item(a, b) => depends_on_now(a) || depends_on_now(b),
        Node::Binary(_, sides) => sides.iter().any(depends_on_now),
        Node::Choose(three) => three.iter().any(depends_on_now),
        Node::Every(parts) | Node::Any(parts) | Node::Among(parts) => parts.iter().any(depends_on_now),
        Node::Quantify { list, body, all: _ } => depends_on_now(list) || depends_on_now(body),
        // nextTime() reads the moment without naming it.
        Node::Call(Function::NextTime(..), _) => true,
        Node::Call(_, args) => args.iter().any(depends_on_now),
    }
}

/// Whether it has a value wherever these slots have one; None: all that it reads is there.
fn cannot_fail(node: &Node, present: Option<&BTreeSet<Slot>>) -> bool {
    match node {
        Node::Const(value) => !matches!(value, Value::Missing | Value::Fault(_)),
        Node::Now => true,
        Node::Slot(slot) => present.is_none_or(|present| present.contains(slot)),
        // Of a derived attribute even has() may fail.
        Node::Present(of) => slot_of(of).is_some_and(|slot| present.is_some_and(|present| present.contains(&slot))),
        Node::Not(of) | Node::Widen(of) => cannot_fail(of, present),
        Node::Every(parts) | Node::Any(parts) | Node::Among(parts) => {
            parts.iter().all(|part| cannot_fail(part, present))
        }
        Node::Choose(three) => three.iter().all(|part| cannot_fail(part, present)),
        Node::Binary(op, sides) => {
            op.compares() && *op != Op::In && sides.iter().all(|part| cannot_fail(part, present))
        }
        Node::Local | Node::Field(..) | Node::Item(..) | Node::Negate(_) | Node::Quantify { .. } | Node::Call(..) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Field, Layout, OnMissing, Place, Record, Scope, Type, compile};
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn scope() -> Scope {
        let field = |name: &str, ty, may_be_missing| Field {
            name: name.into(),
            ty,
            may_be_missing,
        };
        let fields = vec![
            field("tier", Type::TEXT, false),
            field("name", Type::TEXT, true),
            field("points", Type::Int, false),
            field("age", Type::Int, true),
            field("mood", Type::Number, false),
            field("vip", Type::Bool, true),
            field("sure", Type::Bool, false),
            field("seen", Type::Instant, true),
        ];
        Scope {
            roots: vec![field("c", Type::object(fields), false)],
        }
    }

    fn compiled(source: &str, layout: &mut Layout) -> Program {
        let scope = scope();
        let place = Place {
            scope: &scope,
            wants: Some(Type::Bool),
            missing: OnMissing::False,
        };
        compile(source, &place, layout).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"))
    }

    #[test]
    fn what_can_never_hold_is_found_and_what_may_hold_is_not() {
        for (source, never) in [
            ("c.tier == 'gold' && c.tier == 'none'", true),
            ("c.tier == 'gold' && c.tier != 'none'", false),
            ("c.tier in ['gold', 'none'] && c.tier == 'silver'", true),
            ("c.tier in ['gold', 'none'] && !(c.tier in ['gold', 'none'])", true),
            ("c.tier in ['gold', 'none'] && c.tier != 'gold'", false),
            ("c.points > 5 && c.points < 3", true),
            ("c.points > 5 && c.points < 6", true),
            ("c.points > 5 && c.points < 7", false),
            ("c.points >= 5 && c.points <= 5 && c.points != 5", true),
            ("5 < c.points && 3 > c.points", true),
            ("c.mood > 0.5 && c.mood < 0.6", false),
            ("c.mood > 0.5 && c.mood <= 0.5", true),
            ("c.mood >= 0.5 && c.mood <= 0.5", false),
            ("c.vip && !c.vip", true),
            ("c.vip == true && c.vip == false", true),
            ("!has(c.vip) && c.vip", true),
            ("!has(c.vip) || c.vip", false),
            ("!has(c.age) && c.age > 3", true),
            ("c.name.startsWith('A') && !c.name.startsWith('A')", true),
            ("c.name.startsWith('A') && !c.name.startsWith('B')", false),
            ("(c.points < 3 || c.points > 5) && c.points == 4", true),
            ("(c.points < 3 || c.points > 5) && c.points == 6", false),
            ("(c.sure ? c.points < 3 : c.points > 5) && c.points == 4", true),
            (
                "c.seen > timestamp('2026-01-01T00:00:00Z') && c.seen < timestamp('2025-01-01T00:00:00Z')",
                true,
            ),
            // The moment moves.
            ("now > c.seen && !(now > c.seen)", false),
            ("c.points + 1 > 3 && c.points + 1 < 2", true),
            ("c.points + 1 > 3 && c.points + 2 < 2", false),
            ("false", true),
            ("true", false),
        ] {
            assert_eq!(
                compiled(source, &mut Layout::default()).never_holds(),
                never,
                "{source}"
            );
        }
    }

    #[test]
    fn what_always_holds_is_found_only_where_nothing_can_be_missing_or_fail() {
        for (source, always) in [
            ("true", true),
            ("c.points > 3 || c.points <= 3", true),
            ("c.points > 3 || c.points < 3", false),
            // Over a missing age it is false.
            ("c.age > 3 || c.age <= 3", false),
            ("c.tier != 'gold' || c.tier != 'none'", true),
            ("has(c.age) || !has(c.age)", false),
            ("c.points + 1 > 3 || c.points + 1 <= 3", false),
            ("c.tier in ['a', 'b'] || c.tier != 'a'", true),
        ] {
            assert_eq!(
                compiled(source, &mut Layout::default()).always_holds(),
                always,
                "{source}"
            );
        }
    }

    #[test]
    fn a_condition_lies_within_others_or_beside_them() {
        for (source, others, within) in [
            ("c.points > 10", &["c.points > 5"][..], true),
            ("c.points > 5", &["c.points > 10"], false),
            ("c.points > 5", &["c.points > 10", "c.points <= 10"], true),
            ("c.age > 10", &["c.age > 5"], true),
            // An age that is missing makes the one true and the other false.
            ("c.points > 10", &["c.age > 5", "c.age <= 5"], false),
            ("c.tier == 'gold'", &["c.tier in ['gold', 'silver']"], true),
            ("c.vip", &["c.vip"], true),
            ("c.vip && c.points > 3", &["c.vip"], true),
            ("c.name.contains('a')", &["c.name.contains('a')"], true),
            ("c.name.contains('a') && c.vip", &["c.name.contains('a')"], false),
        ] {
            let mut layout = Layout::default();
            let one = compiled(source, &mut layout);
            let others: Vec<Program> = others.iter().map(|other| compiled(other, &mut layout)).collect();
            assert_eq!(one.implies_one_of(&others), within, "{source}");
        }
        let mut layout = Layout::default();
        let mut pair = |a, b| compiled(a, &mut layout).excludes(&compiled(b, &mut layout));
        assert!(pair("c.tier == 'gold'", "c.tier == 'none' && c.points > 3"));
        assert!(!pair("c.tier == 'gold'", "c.points > 3"));
    }

    #[test]
    fn a_condition_of_too_many_ways_is_left_alone() {
        let parts: Vec<String> = (0..30).map(|n| format!("(c.points == {n} || c.age == {n})")).collect();
        let source = parts.join(" && ");
        assert!(source.len() < super::super::limits::SOURCE);
        // It never holds, and to see that all at once would take 2 to the power of 30 ways; contradictions are dropped as they are met.
        let _bounded = compiled(&source, &mut Layout::default()).never_holds();
        let open: Vec<String> = (0..60)
            .map(|n| format!("(c.name.contains('{n}') || c.tier.contains('{n}'))"))
            .collect();
        assert!(!compiled(&open.join(" && "), &mut Layout::default()).never_holds());
    }

    fn condition() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            (0..6i64, prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]))
                .prop_map(|(n, op)| format!("c.points {op} {n}")),
            (0..6i64, prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]))
                .prop_map(|(n, op)| format!("c.age {op} {n}")),
            (0..6u8, prop::sample::select(vec!["<", "<=", ">", ">="]))
                .prop_map(|(n, op)| format!("c.mood {op} {}.5", n)),
            prop::sample::select(vec!["a", "b", "c"]).prop_map(|text| format!("c.tier == '{text}'")),
            prop::sample::select(vec!["a", "b", "c"]).prop_map(|text| format!("c.name != '{text}'")),
            prop::sample::select(vec!["a", "b"]).prop_map(|text| format!("c.name in ['{text}', 'c']")),
            prop::sample::select(vec![
                "c.vip",
                "c.sure",
                "has(c.vip)",
                "has(c.age)",
                "has(c.name)",
                "c.name.contains('b')",
                "true"
            ])
            .prop_map(str::to_owned),
        ];
        atom.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            ]
        })
    }

    fn value(name: &str, chosen: &[u8; 8]) -> Value {
        let texts = ["a", "b", "c", "d"];
        let maybe = |n: u8, value: Value| if n >= 6 { Value::Missing } else { value };
        match name {
            "tier" => Value::Text(texts[usize::from(chosen[0] % 4)].into()),
            "name" => maybe(chosen[1], Value::Text(texts[usize::from(chosen[1] % 4)].into())),
            "points" => Value::Int(i64::from(chosen[2])),
            "age" => maybe(chosen[3], Value::Int(i64::from(chosen[3]))),
            "mood" => Value::Number(f64::from(chosen[4]) / 2.0),
            "vip" => maybe(chosen[5], Value::Bool(chosen[5].is_multiple_of(2))),
            _ => Value::Bool(chosen[6].is_multiple_of(2)),
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_so(a in condition(), b in condition(), c in condition(), chosen in prop::array::uniform8(0..8u8)) {
            let mut layout = Layout::default();
            let [a, b, c] = [a, b, c].map(|source| compiled(&source, &mut layout));
            let record = Record::fill_with(&layout, 0, TimeZone::UTC, |path| value(&path.segments[1], &chosen));
            let holds = |program: &Program| program.holds(&record).unwrap_or(false);
            if a.never_holds() { prop_assert!(!holds(&a)); }
            if a.always_holds() { prop_assert!(holds(&a)); }
            if a.excludes(&b) { prop_assert!(!(holds(&a) && holds(&b))); }
            if holds(&a) && a.implies_one_of([&b, &c]) { prop_assert!(holds(&b) || holds(&c)); }
        }
    }
}
