//! Names to slots, types to everything, and which values may be missing. One walk; it reports all it finds.
use crate::expression::Place;
use crate::expression::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::expression::record::{Layout, Slot, Value};
use crate::expression::syntax::{Ast, Kind, Op};
use crate::expression::tree::{Function, Node};
use crate::expression::types::{Field, Type};
use crate::expression::{functions, limits};
use std::collections::BTreeSet;

pub struct Checker<'a> {
    pub place: &'a Place<'a>,
    pub layout: &'a mut Layout,
    pub errors: Vec<Diagnostic>,
    pub reads: BTreeSet<Slot>,
    pub now: bool,
    pub zone: bool,
    /// What is read though it may be missing.
    pub unguarded: Vec<(Span, String)>,
    /// What has() has shown to be there, here.
    present: Vec<String>,
    /// The item's name and type inside exists() and all(). They do not nest.
    local: Option<(String, Type)>,
}

/// What a chain of names stands for.
enum Target {
    Path {
        segments: Vec<String>,
        ty: Type,
        may_be_missing: bool,
    },
    Value {
        node: Node,
        ty: Type,
        key: Option<String>,
        may_be_missing: bool,
    },
}

/// None: what is wrong has been reported.
type Checked = Option<(Node, Type)>;

impl<'a> Checker<'a> {
    pub fn new(place: &'a Place<'a>, layout: &'a mut Layout) -> Self {
        Checker {
            place,
            layout,
            errors: vec![],
            reads: BTreeSet::new(),
            now: false,
            zone: false,
            unguarded: vec![],
            present: vec![],
            local: None,
        }
    }

    pub fn error(&mut self, code: Code, span: &Span, message: String, help: Option<String>) {
        if self.errors.len() < limits::DIAGNOSTICS {
            self.errors
                .push(Diagnostic::new(code, span.clone(), message).help(help));
        }
    }

    pub fn check(&mut self, ast: &Ast) -> Checked {
        Some(match &ast.kind {
            Kind::Null => {
                self.error(
                    Code::NotInCel,
                    &ast.span,
                    "there is no null here: a value is there or missing".into(),
                    Some("write has(x) or !has(x)".into()),
                );
                return None;
            }
            Kind::Bool(b) => (Node::Const(Value::Bool(*b)), Type::Bool),
            Kind::Int(n) => (Node::Const(Value::Int(*n)), Type::Int),
            Kind::Number(n) => (Node::Const(Value::Number(*n)), Type::Number),
            Kind::Text(t) => (Node::Const(Value::Text(t.as_str().into())), Type::TEXT),
            Kind::Name(_) | Kind::Member(..) | Kind::Index(..) => {
                let target = self.target(ast)?;
                return self.read(target, &ast.span);
            }
            Kind::Call {
                on,
                name,
                name_span,
                args,
            } => return functions::check(self, ast, on.as_deref(), name, name_span, args),
            Kind::List(items) => {
                let parts: Vec<_> = items
                    .iter()
                    .map(|i| self.check(i).map(|c| (c, &i.span)))
                    .collect::<Option<_>>()?;
                let (parts, ty) = self.unify(parts)?;
                let consts: Option<Vec<Value>> = parts
                    .into_iter()
                    .map(|n| if let Node::Const(v) = n { Some(v) } else { None })
                    .collect();
                let Some(values) = consts else {
                    self.error(
                        Code::WrongType,
                        &ast.span,
                        "a list of other than literals can only stand right of in".into(),
                        None,
                    );
                    return None;
                };
                (Node::Const(Value::List(values.into())), Type::List(Box::new(ty)))
            }
            Kind::Not(of) => (Node::Not(Box::new(self.truth(of)?)), Type::Bool),
            Kind::Negate(of) => match self.check(of)? {
                (node, ty @ (Type::Int | Type::Number | Type::Duration)) => (Node::Negate(Box::new(node)), ty),
                (_, ty) => {
                    self.error(
                        Code::WrongType,
                        &of.span,
                        format!("- needs a number, this is {ty:#}"),
                        None,
                    );
                    return None;
                }
            },
            Kind::Every(parts) => (Node::Every(self.settle(parts, true)?), Type::Bool),
            Kind::Any(parts) => (Node::Any(self.settle(parts, false)?), Type::Bool),
            Kind::Choose(three) => {
                let when = self.truth(&three[0]);
                let yes = self.assuming(facts(&three[0], true), |c| c.check(&three[1]));
                let no = self.assuming(facts(&three[0], false), |c| c.check(&three[2]));
                let (mut parts, ty) = self.unify(vec![(yes?, &three[1].span), (no?, &three[2].span)])?;
                let (no, yes) = (parts.pop()?, parts.pop()?);
                (Node::Choose(Box::new([when?, yes, no])), ty)
            }
            Kind::Binary(Op::In, needle, among) => return self.among(needle, among),
            Kind::Binary(op, left, right) => {
                let (a, b) = (self.check(left), self.check(right));
                return self.binary(*op, (a?, left), (b?, right), &ast.span);
            }
        })
    }

    pub fn truth(&mut self, ast: &Ast) -> Option<Node> {
        let (node, ty) = self.check(ast)?;
        if ty != Type::Bool {
            let help = match ty {
                Type::Int | Type::Number => Some("compare it, for instance with > 0"),
                Type::Text(_) => Some("compare it, for instance with != ''"),
                _ => None,
            };
            self.error(
                Code::WrongType,
                &ast.span,
                format!("a condition must be true or false, this is {ty:#}"),
                help.map(Into::into),
            );
            return None;
        }
        Some(node)
    }

    /// Left to right, each part knows what those before it have settled.
    fn settle(&mut self, parts: &[Ast], truth: bool) -> Option<Box<[Node]>> {
        let before = self.present.len();
        let nodes: Vec<_> = parts
            .iter()
            .map(|p| {
                let node = self.truth(p);
                self.present.extend(facts(p, truth));
                node
            })
            .collect();
        self.present.truncate(before);
        nodes.into_iter().collect()
    }

    fn assuming<T>(&mut self, facts: Vec<String>, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.present.len();
        self.present.extend(facts);
        let result = f(self);
        self.present.truncate(before);
        result
    }

    /// One type for all: integers widen to numbers where they meet one.
    fn unify(&mut self, parts: Vec<((Node, Type), &Span)>) -> Option<(Vec<Node>, Type)> {
        let Some(mut ty) = parts.first().map(|((_, t), _)| t.clone()) else {
            return Some((vec![], Type::TEXT));
        };
        for ((_, t), span) in &parts {
            match (&ty, t) {
                (Type::Int, Type::Number) => ty = Type::Number,
                (Type::Number, Type::Int) => {}
                (Type::Text(a), Type::Text(b)) if a != b => ty = Type::TEXT,
                (a, b) if a.fits(b) => {}
                _ => {
                    let message = format!("this is {t:#}, the other is {ty:#}");
                    self.error(Code::WrongType, span, message, None);
                    return None;
                }
            }
        }
        Some((
            parts
                .into_iter()
                .map(|((n, t), _)| if ty == Type::Number { widen(n, &t) } else { n })
                .collect(),
            ty,
        ))
    }

    fn binary(
        &mut self,
        op: Op,
        (a, left): ((Node, Type), &Ast),
        (b, right): ((Node, Type), &Ast),
        span: &Span,
    ) -> Checked {
        use Type::{Bool, Duration, Instant, Int, Number, Text};
        let comparing = op.compares();
        let ty = match (op, &a.1, &b.1) {
            (Op::Equal | Op::Unequal, Bool, Bool) => Some(Bool),
            (Op::Equal | Op::Unequal, Text(values), Text(_)) if values.is_some() => {
                self.one_of(&a.1, right)?;
                Some(Bool)
            }
            (Op::Equal | Op::Unequal, Text(_), Text(_)) => {
                self.one_of(&b.1, left)?;
                Some(Bool)
            }
            (_, Text(_), Text(_)) | (_, Instant, Instant) | (_, Duration, Duration) if comparing => Some(Bool),
            (_, x, y) if comparing && x.is_numeric() && y.is_numeric() => Some(Bool),
            (Op::Remainder, Int, Int) => Some(Int),
            (Op::Add | Op::Subtract | Op::Multiply | Op::Divide, Int, Int) => Some(Int),
            (Op::Add | Op::Subtract | Op::Multiply | Op::Divide, x, y) if x.is_numeric() && y.is_numeric() => {
                Some(Number)
            }
            (Op::Add, Text(_), Text(_)) => Some(Type::TEXT),
            (Op::Add, Instant, Duration) | (Op::Add, Duration, Instant) | (Op::Subtract, Instant, Duration) => {
                Some(Instant)
            }
            (Op::Subtract, Instant, Instant) | (Op::Add | Op::Subtract, Duration, Duration) => Some(Duration),
            _ => None,
        };
        let Some(ty) = ty else {
            let help = match (&a.1, &b.1) {
                (Instant, Text(_)) | (Text(_), Instant) => {
                    Some("a timestamp is written timestamp('2026-11-22T09:00:00Z')")
                }
                (Duration, Int | Number) | (Int | Number, Duration) => {
                    Some("a duration is written days(2) or duration('36h')")
                }
                (Instant, Int | Number) => Some("add a duration: days(2) or duration('36h')"),
                (Text(_), Int | Number | Bool) | (Int | Number | Bool, Text(_)) if op == Op::Add => {
                    Some("join with string(x), or write it as text with ${x} inside")
                }
                (Text(_), Int | Number) | (Int | Number, Text(_)) => Some("a number is written without quotes"),
                (Text(_), Bool) | (Bool, Text(_)) => Some("true and false are written without quotes"),
                _ => None,
            };
            let message = format!("{} does not take {:#} and {:#}", op.sign(), a.1, b.1);
            self.error(Code::WrongType, span, message, help.map(Into::into));
            return None;
        };
        let mixed = a.1 != b.1 && a.1.is_numeric() && b.1.is_numeric();
        let sides = if mixed {
            [widen(a.0, &a.1), widen(b.0, &b.1)]
        } else {
            [a.0, b.0]
        };
        Some((Node::Binary(op, Box::new(sides)), ty))
    }

    /// A literal that a declared list of values does not have is a mistake.
    fn one_of(&mut self, declared: &Type, literal: &Ast) -> Option<()> {
        if let (Type::Text(Some(values)), Kind::Text(text)) = (declared, &literal.kind)
            && !values.contains(text)
        {
            let meant = did_you_mean(text, values.iter().map(String::as_str)).map(|m| format!("did you mean '{m}'?"));
            self.error(
                Code::NeverEqual,
                &literal.span,
                format!("it is never '{text}': its values are {}", values.join(", ")),
                meant,
            );
            return None;
        }
        Some(())
    }

    fn among(&mut self, needle: &Ast, among: &Ast) -> Checked {
        if let Kind::List(items) = &among.kind {
            let first = self.check(needle);
            let rest: Vec<_> = items.iter().map(|i| self.check(i).map(|c| (c, &i.span))).collect();
            let first = first?;
            if items
                .iter()
                .map(|i| self.one_of(&first.1, i))
                .collect::<Vec<_>>()
                .contains(&None)
            {
                return None;
            }
            let mut parts = vec![(first, &needle.span)];
            parts.extend(rest.into_iter().collect::<Option<Vec<_>>>()?);
            return Some((Node::Among(self.unify(parts)?.0.into()), Type::Bool));
        }
        let (needle_checked, list) = (self.check(needle), self.check(among));
        let ((node, ty), (list, list_ty)) = (needle_checked?, list?);
        match &list_ty {
            Type::List(of) if of.fits(&ty) => {
                self.one_of(of, needle)?;
                Some((Node::Binary(Op::In, Box::new([node, list])), Type::Bool))
            }
            Type::List(of) if **of == Type::Number && ty == Type::Int => {
                Some((Node::Binary(Op::In, Box::new([widen(node, &ty), list])), Type::Bool))
            }
            Type::List(of) => {
                self.error(
                    Code::WrongType,
                    &needle.span,
                    format!("{ty:#} is never in a list of {of}"),
                    None,
                );
                None
            }
            Type::Text(_) => {
                self.error(
                    Code::WrongType,
                    &among.span,
                    "in needs a list, this is a text".into(),
                    Some("write text.contains(part)".into()),
                );
                None
            }
            other => {
                let message = format!("in needs a list, this is {other:#}");
                self.error(Code::WrongType, &among.span, message, None);
                None
            }
        }
    }

    fn target(&mut self, ast: &Ast) -> Option<Target> {
        match &ast.kind {
            Kind::Name(name) => {
                if let Some((local, ty)) = &self.local
                    && local == name
                {
                    return Some(Target::Value {
                        node: Node::Local,
                        ty: ty.clone(),
                        key: Some(name.clone()),
                        may_be_missing: false,
                    });
                }
                if name == "now" {
                    self.now = true;
                    return Some(Target::Value {
                        node: Node::Now,
                        ty: Type::Instant,
                        key: None,
                        may_be_missing: false,
                    });
                }
                let roots = &self.place.scope.roots;
                if let Some(root) = roots.iter().find(|r| r.name == *name) {
                    return Some(Target::Path {
                        segments: vec![name.clone()],
                        ty: root.ty.clone(),
                        may_be_missing: false,
                    });
                }
                let owner = roots
                    .iter()
                    .find(|r| matches!(&r.ty, Type::Object(fields) if fields.iter().any(|f| f.name == *name)))
                    .map(|r| r.name.clone());
                let help = owner
                    .map(|o| format!("write {o}.{name}"))
                    .or_else(|| {
                        did_you_mean(name, roots.iter().map(|r| r.name.as_str()).chain(["now"]))
                            .map(|m| format!("did you mean {m}?"))
                    })
                    .unwrap_or_else(|| {
                        format!(
                            "known here: {}, now",
                            roots.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ")
                        )
                    });
                self.error(
                    Code::UnknownName,
                    &ast.span,
                    format!("'{name}' is not known here"),
                    Some(help),
                );
                None
            }
            Kind::Member(of, name, span) => {
                let base = self.target(of)?;
                self.member(base, name, span, of)
            }
            Kind::Index(of, at) => {
                let base = self.target(of)?;
                if let Kind::Text(name) = &at.kind {
                    return self.member(base, name, &at.span, of);
                }
                let key = key(ast);
                let (list, ty) = self.read(base, &of.span)?;
                let Type::List(item) = ty else {
                    self.error(
                        Code::WrongType,
                        &of.span,
                        format!("[n] needs a list, this is {ty:#}"),
                        None,
                    );
                    return None;
                };
                match self.check(at)? {
                    (at, Type::Int) => {
                        let may_be_missing = !self.is_present(key.as_ref());
                        Some(Target::Value {
                            node: Node::Item(Box::new(list), Box::new(at)),
                            ty: *item,
                            key,
                            may_be_missing,
                        })
                    }
                    (_, ty) => {
                        self.error(
                            Code::WrongType,
                            &at.span,
                            format!("a place in a list is an integer, this is {ty:#}"),
                            None,
                        );
                        None
                    }
                }
            }
            _ => {
                let (node, ty) = self.check(ast)?;
                Some(Target::Value {
                    node,
                    ty,
                    key: None,
                    may_be_missing: false,
                })
            }
        }
    }

    fn is_present(&self, key: Option<&String>) -> bool {
        key.is_some_and(|k| self.present.contains(k))
    }

    fn member(&mut self, base: Target, name: &str, span: &Span, of: &Ast) -> Option<Target> {
        let ty = match &base {
            Target::Path { ty, .. } | Target::Value { ty, .. } => ty.clone(),
        };
        let Type::Object(fields) = &ty else {
            let help =
                matches!(ty, Type::Text(_) | Type::List(_)).then(|| format!("a function needs its (): .{name}()"));
            self.error(
                Code::UnknownName,
                span,
                format!("{ty:#} has no '{name}'"),
                help.filter(|_| functions::is_method(name)),
            );
            return None;
        };
        let Some((at, field)) = fields.iter().enumerate().find(|(_, f)| f.name == name) else {
            self.error(
                Code::UnknownName,
                span,
                format!("'{}' has no '{name}'", key(of).unwrap_or_else(|| "it".into())),
                unknown_field_help(fields, name),
            );
            return None;
        };
        Some(match base {
            Target::Path {
                mut segments,
                may_be_missing,
                ..
            } => {
                segments.push(name.to_owned());
                let known = self.present.contains(&segments.join("."));
                Target::Path {
                    segments,
                    ty: field.ty.clone(),
                    may_be_missing: !known && (may_be_missing || field.may_be_missing),
                }
            }
            Target::Value {
                node,
                key,
                may_be_missing,
                ..
            } => {
                let key = key.map(|k| format!("{k}.{name}"));
                let may_be_missing = !self.is_present(key.as_ref()) && (may_be_missing || field.may_be_missing);
                Target::Value {
                    node: Node::Field(Box::new(node), at as u16),
                    ty: field.ty.clone(),
                    key,
                    may_be_missing,
                }
            }
        })
    }

    /// The value itself: a slot is read.
    fn read(&mut self, target: Target, span: &Span) -> Checked {
        let (node, ty, missing, name) = match target {
            Target::Path {
                segments,
                ty,
                may_be_missing,
            } => {
                if let Type::Object(fields) = &ty {
                    let name = segments.join(".");
                    let message = format!(
                        "'{name}' is an object; name one of its fields: {}",
                        fields
                            .iter()
                            .map(|f| f.name.as_str())
                            .take(8)
                            .collect::<Vec<_>>()
                            .join(", ")
                    );
                    self.error(Code::WrongType, span, message, None);
                    return None;
                }
                (
                    Node::Slot(self.slot(&segments, &ty, span)?),
                    ty,
                    may_be_missing,
                    segments.join("."),
                )
            }
            Target::Value {
                node,
                ty,
                key,
                may_be_missing,
            } => (node, ty, may_be_missing, key.unwrap_or_else(|| "this".into())),
        };
        if ty == Type::Opaque {
            self.error(
                Code::WrongType,
                span,
                format!("the schema gives '{name}' no single type"),
                Some("give it a type in the touchpoint's schema".into()),
            );
            return None;
        }
        // One report a path, and none for what hangs on one already reported.
        if missing
            && !self.unguarded.iter().any(|(_, n)| {
                name.strip_prefix(n.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        {
            self.unguarded.push((span.clone(), name));
        }
        Some((node, ty))
    }

    /// has(x): whether it is there. That is also a read.
    pub fn presence(&mut self, arg: &Ast) -> Option<Node> {
        if !matches!(arg.kind, Kind::Member(..) | Kind::Index(..)) {
            self.error(
                Code::WrongArgument,
                &arg.span,
                "has() takes a path like customer.age".into(),
                None,
            );
            return None;
        }
        // What stands before the last name is tested with it.
        let before = self.unguarded.len();
        let target = self.target(arg);
        self.unguarded.truncate(before);
        match target? {
            Target::Path { segments, ty, .. } => Some(Node::Present(Box::new(Node::Slot(
                self.slot(&segments, &ty, &arg.span)?,
            )))),
            Target::Value { node, .. } => Some(Node::Present(Box::new(node))),
        }
    }

    fn slot(&mut self, segments: &[String], ty: &Type, span: &Span) -> Option<Slot> {
        let slot = self.layout.slot(segments, ty);
        if let Some(slot) = slot {
            self.reads.insert(slot);
        } else {
            self.error(Code::TooLarge, span, "more than 65,536 paths are read".into(), None);
        }
        slot
    }

    /// list.exists(x, ...) and list.all(x, ...).
    pub fn quantify(&mut self, on: &Ast, args: &[Ast], all: bool, span: &Span) -> Checked {
        let (list, ty) = self.check(on)?;
        let Type::List(item) = ty else {
            self.error(Code::WrongType, &on.span, format!("this is {ty:#}, not a list"), None);
            return None;
        };
        let [
            Ast {
                kind: Kind::Name(name), ..
            },
            body,
        ] = args
        else {
            self.error(
                Code::WrongArgument,
                span,
                "write list.exists(x, a condition on x)".into(),
                None,
            );
            return None;
        };
        if self.local.is_some() {
            self.error(Code::TooLarge, span, "exists() and all() do not nest".into(), None);
            return None;
        }
        self.local = Some((name.clone(), *item));
        let body = self.truth(body);
        self.local = None;
        Some((
            Node::Quantify {
                list: Box::new(list),
                body: Box::new(body?),
                all,
            },
            Type::Bool,
        ))
    }

    pub fn call(function: Function, args: Vec<Node>, ty: Type) -> Checked {
        Some((Node::Call(function, args.into()), ty))
    }
}

pub fn widen(node: Node, ty: &Type) -> Node {
    match node {
        Node::Const(Value::Int(n)) => Node::Const(Value::Number(n as f64)),
        node if *ty == Type::Int => Node::Widen(Box::new(node)),
        node => node,
    }
}

fn unknown_field_help(fields: &[Field], name: &str) -> Option<String> {
    if let Some(dashed) = fields.iter().find(|f| f.name.starts_with(&format!("{name}-"))) {
        return Some(format!("a name with dashes is written ['{}']", dashed.name));
    }
    did_you_mean(name, fields.iter().map(|f| f.name.as_str()))
        .map(|m| format!("did you mean {m}?"))
        .or_else(|| {
            (fields.len() <= 12).then(|| {
                format!(
                    "it has: {}",
                    fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ")
                )
            })
        })
}

/// Which paths has() shows to be there when `ast` is `truth`.
fn facts(ast: &Ast, truth: bool) -> Vec<String> {
    match &ast.kind {
        Kind::Call {
            on: None, name, args, ..
        } if name == "has" && truth => args.first().map(prefixes).unwrap_or_default(),
        Kind::Not(of) => facts(of, !truth),
        Kind::Every(parts) | Kind::Any(parts) => {
            let mut each = parts.iter().map(|p| facts(p, truth));
            if matches!(ast.kind, Kind::Every(_)) == truth {
                each.flatten().collect()
            } else {
                each.next()
                    .map(|first| {
                        each.fold(first, |kept, more| {
                            kept.into_iter().filter(|k| more.contains(k)).collect()
                        })
                    })
                    .unwrap_or_default()
            }
        }
        _ => vec![],
    }
}

fn prefixes(ast: &Ast) -> Vec<String> {
    match &ast.kind {
        Kind::Member(of, ..) | Kind::Index(of, _) => {
            let mut all = prefixes(of);
            all.extend(key(ast));
            all
        }
        _ => vec![],
    }
}

/// The path as text; None where it is not made of names and literals.
fn key(ast: &Ast) -> Option<String> {
    match &ast.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Member(of, name, _) => Some(format!("{}.{name}", key(of)?)),
        Kind::Index(of, at) => match &at.kind {
            Kind::Text(name) => Some(format!("{}.{name}", key(of)?)),
            Kind::Int(n) => Some(format!("{}[{n}]", key(of)?)),
            _ => None,
        },
        _ => None,
    }
}
