//! The expression room: CEL in YAML strings becomes a checked tree over slots.
//!
//! `compile` takes a source and its `Place` (what may be named, what type is wanted, what a missing value means) and gives a
//! `Program`, or every mistake with its span. `Program::eval` takes a `Record` and nothing else: no clock, no maps, no I/O.
//! This room knows nothing of Kubernetes, journeys or storage; flow (which step's result is there) arrives as the Scope.

mod check;
pub mod diagnostic;
mod functions;
pub mod record;
mod syntax;
mod time;
mod token;
mod tree;
pub mod types;

pub use diagnostic::{Code, Diagnostic, Span};
pub use record::{Layout, Record, Slot, Value};
pub use tree::{Fault, Val};
pub use types::{Field, Scope, Type};

use check::{Checker, widen};
use std::sync::Arc;
use tree::{Function, Machine, Node};

/// What keeps hostile input cheap. All are checked before the work they bound.
pub mod limits {
    /// Bytes of an expression or a string with ${...}.
    pub const SOURCE: usize = 4096;
    /// Height of the tree; && and || count once, however many they join.
    pub const HEIGHT: usize = 32;
    /// Bytes of a text that an expression makes.
    pub const TEXT: usize = 16 * 1024;
    /// Bytes of a pattern, and of its automaton.
    pub const PATTERN: usize = 256;
    pub const PATTERN_MEMORY: usize = 256 * 1024;
    /// Mistakes reported for one expression.
    pub const DIAGNOSTICS: usize = 20;
    /// Steps of one evaluation: a node, an item, or 64 bytes of text.
    pub const FUEL: u32 = 20_000;
}

/// What a missing value means where the expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// when, while, boolean `is`: the condition does not hold.
    False,
    /// to, key, customer, alsoKnownAs, attributes, set: a path alone may be missing, and the caller has a rule for that.
    /// A computation over it must be guarded: `customer.streak + 1` left unchanged by accident is a bug nobody sees.
    Missing,
    /// with, at, score, priority, value: does not compile.
    Refuse,
}

#[derive(Debug, Clone)]
pub struct Place<'a> {
    pub scope: &'a Scope,
    /// None: any scalar or list.
    pub wants: Option<Type>,
    pub missing: OnMissing,
}

#[derive(Debug, Clone)]
pub struct Program(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    tree: Node,
    ty: Type,
    reads: Vec<Slot>,
    reads_now: bool,
    reads_zone: bool,
}

/// A field that is CEL as a whole: when, while, at, key, customer, alsoKnownAs, score, value, is.
pub fn compile(source: &str, place: &Place, layout: &mut Layout) -> Result<Program, Vec<Diagnostic>> {
    let ast = syntax::parse(source).map_err(|e| vec![e])?;
    let mut checker = Checker::new(place, layout);
    let checked = checker.check(&ast);
    finish(checker, checked, &ast.span)
}

/// A literal with ${CEL} inside; `$${` is a plain `${`. A lone ${...} keeps its type, anything else is text.
pub fn compile_text(source: &str, place: &Place, layout: &mut Layout) -> Result<Program, Vec<Diagnostic>> {
    if source.len() > limits::SOURCE {
        return Err(vec![Diagnostic::new(
            Code::TooLarge,
            0..0,
            format!("{} bytes; at most {} are read", source.len(), limits::SOURCE),
        )]);
    }
    let mut checker = Checker::new(place, layout);
    let (mut parts, mut at, mut literal, mut sound) = (Vec::new(), 0, String::new(), true);
    while let Some(found) = source[at..].find("${").map(|n| at + n) {
        if found > at && source.as_bytes()[found - 1] == b'$' {
            literal.push_str(&source[at..found - 1]);
            literal.push_str("${");
            at = found + 2;
            continue;
        }
        literal.push_str(&source[at..found]);
        let (ast, close) = syntax::parse_until_brace(source, found + 2).map_err(|e| vec![e])?;
        let checked = checker.check(&ast);
        if found == 0 && close + 1 == source.len() {
            return finish(checker, checked, &ast.span);
        }
        at = close + 1;
        if !literal.is_empty() {
            parts.push(Node::Const(Value::Text(std::mem::take(&mut literal).into())));
        }
        match checked {
            Some((_, ty @ (Type::List(_) | Type::Object(_)))) => {
                checker.error(
                    Code::WrongType,
                    &ast.span,
                    format!("{ty:#} cannot stand inside a text"),
                    None,
                );
                sound = false;
            }
            Some((node, _)) => parts.push(node),
            None => sound = false,
        }
    }
    literal.push_str(&source[at..]);
    let tree = if parts.is_empty() {
        Node::Const(Value::Text(literal.into()))
    } else {
        if !literal.is_empty() {
            parts.push(Node::Const(Value::Text(literal.into())));
        }
        Node::Call(Function::Join, parts.into())
    };
    finish(checker, sound.then_some((tree, Type::TEXT)), &(0..source.len()))
}

fn finish(mut c: Checker, checked: Option<(Node, Type)>, span: &Span) -> Result<Program, Vec<Diagnostic>> {
    let fitted = checked.and_then(|(node, ty)| match &c.place.wants {
        Some(wanted) if *wanted == Type::Number && ty == Type::Int => Some((widen(node, &ty), Type::Number)),
        Some(wanted) if !wanted.fits(&ty) => {
            let help = match (wanted, &ty) {
                (Type::Int, Type::Number) => Some("write int(...) to cut it to an integer"),
                (Type::Bool, Type::Int | Type::Number) => Some("compare it, for instance with > 0"),
                (Type::Instant, Type::Duration) => Some("write now + ..."),
                _ => None,
            };
            c.error(Code::WrongType, span, format!("{wanted:#} is needed here, this is {ty:#}"), help.map(Into::into));
            None
        }
        Some(Type::Text(Some(values))) if matches!(&node, Node::Const(Value::Text(t)) if !values.iter().any(|v| **v == **t)) => {
            c.error(Code::NeverEqual, span, format!("its values are {}", values.join(", ")), None);
            None
        }
        _ => Some((node, ty)),
    });
    let path_alone = matches!(fitted, Some((Node::Slot(_), _)));
    if c.place.missing == OnMissing::Refuse || (c.place.missing == OnMissing::Missing && !path_alone) {
        for (span, name) in std::mem::take(&mut c.unguarded) {
            c.error(
                Code::MayBeMissing,
                &span,
                format!("'{name}' may be missing"),
                Some(format!("give it a default, or write has({name}) ? {name} : ...")),
            );
        }
    }
    match fitted {
        Some((tree, ty)) if c.errors.is_empty() => Ok(Program(Arc::new(Checked {
            tree,
            ty,
            reads: c.reads.into_iter().collect(),
            reads_now: c.now,
            reads_zone: c.zone,
        }))),
        _ => Err(c.errors),
    }
}

impl Program {
    pub fn ty(&self) -> &Type {
        &self.0.ty
    }
    /// Exactly the paths the tree can read, has() included; each once.
    pub fn reads(&self) -> &[Slot] {
        &self.0.reads
    }
    /// Whether time alone can change the result.
    pub fn reads_now(&self) -> bool {
        self.0.reads_now
    }
    /// nextTime and daysBetween read the profile's zone, and so the attributes its CEL reads.
    pub fn reads_zone(&self) -> bool {
        self.0.reads_zone
    }

    pub fn eval<'a>(&'a self, record: &'a Record) -> Result<Val<'a>, Fault> {
        self.0.tree.eval(&mut Machine {
            record,
            local: None,
            fuel: limits::FUEL,
        })
    }

    /// A condition: what is missing makes it false. Other faults are the caller's to count; it treats them as false too.
    pub fn holds(&self, record: &Record) -> Result<bool, Fault> {
        match self.eval(record) {
            Ok(Val::Bool(b)) => Ok(b),
            Ok(_) => Err(Fault::Contradiction),
            Err(Fault::Missing) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
