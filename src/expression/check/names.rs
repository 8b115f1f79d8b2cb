//! Chains of names: which root, which field, which item of a list, and whether it may be missing there.

use super::facts::path;
use super::{Checked, Checker, functions};
use crate::expression::ast::{Ast, Kind};
use crate::expression::diagnostic::{Code, Span, did_you_mean};
use crate::expression::record::{Slot, push_member, written};
use crate::expression::tree::Node;
use crate::expression::types::{Field, Type};

/// What a chain of names stands for.
pub enum Target {
    /// From a root on: it becomes a slot when it is read.
    Path {
        segments: Vec<String>,
        ty: Type,
        may_be_missing: bool,
    },
    /// Inside a value, such as an item of a list. `written` is its path as has() would prove it.
    Value {
        node: Node,
        ty: Type,
        written: Option<String>,
        may_be_missing: bool,
    },
}

impl Checker<'_> {
    pub fn target(&mut self, ast: &Ast) -> Option<Target> {
        match &ast.kind {
            Kind::Name(name) => self.root(name, &ast.span),
            Kind::Member(of, name, span) => {
                let base = self.target(of)?;
                self.member(base, name, span, of)
            }
            Kind::Index(of, at) => {
                let base = self.target(of)?;
                match &at.kind {
                    Kind::Text(name) => self.member(base, name, &at.span, of),
                    _ => self.item(base, of, at, path(ast)),
                }
            }
            _ => {
                let (node, ty) = self.check(ast)?;
                Some(Target::Value {
                    node,
                    ty,
                    written: None,
                    may_be_missing: false,
                })
            }
        }
    }

    fn root(&mut self, name: &str, span: &Span) -> Option<Target> {
        if let Some((local, ty)) = &self.local
            && local == name
        {
            let written = Some(local.clone());
            return Some(Target::Value {
                node: Node::Local,
                ty: ty.clone(),
                written,
                may_be_missing: false,
            });
        }
        if name == "now" {
            self.reads_now = true;
            return Some(Target::Value {
                node: Node::Now,
                ty: Type::Instant,
                written: None,
                may_be_missing: false,
            });
        }
        let roots = &self.place.scope.roots;
        if let Some(root) = roots.iter().find(|root| root.name == name) {
            let may_be_missing = root.may_be_missing && !self.is_present(name);
            return Some(Target::Path {
                segments: vec![name.to_owned()],
                ty: root.ty.clone(),
                may_be_missing,
            });
        }
        let help = unknown_root_help(roots, name);
        self.error(
            Code::UnknownName,
            span,
            format!("'{name}' is not known here"),
            Some(help),
        );
        None
    }

    fn member(&mut self, base: Target, name: &str, span: &Span, of: &Ast) -> Option<Target> {
        let ty = match &base {
            Target::Path { ty, .. } | Target::Value { ty, .. } => ty.clone(),
        };
        let Type::Object(fields) = &ty else {
            let call = matches!(ty, Type::Text(_) | Type::List(_)) && functions::is_method(name);
            let help = call.then(|| format!("a function needs its (): .{name}()"));
            self.error(Code::UnknownName, span, format!("{ty:#} has no '{name}'"), help);
            return None;
        };
        let Some((at, field)) = fields.iter().enumerate().find(|(_, field)| field.name == name) else {
            let owner = path(of).unwrap_or_else(|| "it".into());
            self.error(
                Code::UnknownName,
                span,
                format!("'{owner}' has no '{name}'"),
                unknown_field_help(fields, name),
            );
            return None;
        };
        let ty = field.ty.clone();
        Some(match base {
            Target::Path {
                mut segments,
                may_be_missing,
                ..
            } => {
                segments.push(name.to_owned());
                let known = self.is_present(&written(&segments));
                Target::Path {
                    segments,
                    ty,
                    may_be_missing: !known && (may_be_missing || field.may_be_missing),
                }
            }
            Target::Value {
                node,
                written,
                may_be_missing,
                ..
            } => {
                let Ok(at) = u16::try_from(at) else {
                    return self.refuse(Code::TooLarge, span, "an object has more than 65,536 fields", None);
                };
                let written = written.map(|mut path| {
                    push_member(&mut path, name);
                    path
                });
                let known = written.as_ref().is_some_and(|path| self.is_present(path));
                let may_be_missing = !known && (may_be_missing || field.may_be_missing);
                Target::Value {
                    node: Node::Field(Box::new(node), at),
                    ty,
                    written,
                    may_be_missing,
                }
            }
        })
    }

    /// `of[at]`: a list may be shorter, so it may be missing.
    fn item(&mut self, base: Target, of: &Ast, at: &Ast, written: Option<String>) -> Option<Target> {
        let (list, ty) = self.read(base, &of.span)?;
        let Type::List(ty) = ty else {
            return self.refuse(
                Code::WrongType,
                &of.span,
                format!("[n] needs a list, this is {ty:#}"),
                None,
            );
        };
        let at = match self.check(at)? {
            (at, Type::Int) => at,
            (_, ty) => {
                let message = format!("a place in a list is an integer, this is {ty:#}");
                return self.refuse(Code::WrongType, &at.span, message, None);
            }
        };
        let may_be_missing = !written.as_ref().is_some_and(|path| self.is_present(path));
        Some(Target::Value {
            node: Node::Item(Box::new(list), Box::new(at)),
            ty: *ty,
            written,
            may_be_missing,
        })
    }

    /// The value itself: a slot is read.
    pub fn read(&mut self, target: Target, span: &Span) -> Checked {
        let (ty, missing, name) = match &target {
            Target::Path {
                segments,
                ty,
                may_be_missing,
            } => (ty.clone(), *may_be_missing, written(segments)),
            Target::Value {
                ty,
                written,
                may_be_missing,
                ..
            } => (
                ty.clone(),
                *may_be_missing,
                written.clone().unwrap_or_else(|| "this".into()),
            ),
        };
        match &ty {
            Type::Object(fields) => {
                let message = format!("'{name}' is an object; name one of its fields: {}", first_names(fields));
                return self.refuse(Code::WrongType, span, message, None);
            }
            Type::Opaque => {
                let message = format!("the schema gives '{name}' no single type");
                return self.refuse(
                    Code::WrongType,
                    span,
                    message,
                    Some("give it a type in the touchpoint's schema"),
                );
            }
            Type::Bool | Type::Int | Type::Number | Type::Text(_) | Type::Instant | Type::Duration | Type::List(_) => {}
        }
        let node = match target {
            Target::Path { segments, .. } => Node::Slot(self.slot(&segments, &ty, span)?),
            Target::Value { node, .. } => node,
        };
        if missing {
            self.remember_unguarded(name, span);
        }
        Some((node, ty))
    }

    /// One report a path. What hangs on one already reported needs no other, and where it is the same chain of names the guard that
    /// helps is that of the whole chain.
    fn remember_unguarded(&mut self, name: String, span: &Span) {
        match self.unguarded.iter_mut().find(|(_, known)| hangs_on(&name, known)) {
            Some((known_span, known)) if span.start == known_span.start && span.end > known_span.end => {
                (*known_span, *known) = (span.clone(), name);
            }
            Some(_) => {}
            None => self.unguarded.push((span.clone(), name)),
        }
    }

    /// has(x): whether it is there. That is also a read.
    pub fn presence(&mut self, arg: &Ast) -> Option<Node> {
        if !matches!(arg.kind, Kind::Member(..) | Kind::Index(..)) {
            return self.refuse(
                Code::WrongArgument,
                &arg.span,
                "has() takes a path like customer.age",
                None,
            );
        }
        // What stands before the last name is tested with it.
        let before = self.unguarded.len();
        let target = self.target(arg);
        self.unguarded.truncate(before);
        let of = match target? {
            Target::Path {
                segments,
                ty: Type::Object(_),
                ..
            } => Node::Slot(self.slot(&segments, &Type::object(vec![]), &arg.span)?),
            Target::Path { segments, ty, .. } => Node::Slot(self.slot(&segments, &ty, &arg.span)?),
            Target::Value { node, .. } => node,
        };
        Some(Node::Present(Box::new(of)))
    }

    /// list.exists(x, ...) and list.all(x, ...).
    pub fn quantify(&mut self, on: &Ast, args: &[Ast], all: bool, span: &Span) -> Checked {
        let (list, ty) = self.check(on)?;
        let Type::List(item) = ty else {
            return self.refuse(Code::WrongType, &on.span, format!("this is {ty:#}, not a list"), None);
        };
        let [
            Ast {
                kind: Kind::Name(name),
                span: name_span,
                ..
            },
            body,
        ] = args
        else {
            return self.refuse(
                Code::WrongArgument,
                span,
                "write list.exists(x, a condition on x)",
                None,
            );
        };
        if self.local.is_some() {
            return self.refuse(Code::TooLarge, span, "exists() and all() do not nest", None);
        }
        // Else what has() proved of the one would be believed of the other.
        if name == "now" || self.place.scope.roots.iter().any(|root| root.name == *name) {
            let message = format!("'{name}' has a meaning here already");
            return self.refuse(
                Code::WrongArgument,
                name_span,
                message,
                Some("call the item something else"),
            );
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

    fn is_present(&self, written: &str) -> bool {
        self.present.iter().any(|path| path == written)
    }

    fn slot(&mut self, segments: &[String], ty: &Type, span: &Span) -> Option<Slot> {
        let Some(slot) = self.layout.slot(segments, ty) else {
            return self.refuse(Code::TooLarge, span, "more than 65,536 paths are read", None);
        };
        self.reads.insert(slot);
        Some(slot)
    }
}

/// Whether it is the known path, or stands on it.
fn hangs_on(name: &str, known: &str) -> bool {
    name.strip_prefix(known)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn unknown_root_help(roots: &[Field], name: &str) -> String {
    let has_it =
        |root: &&Field| matches!(&root.ty, Type::Object(fields) if fields.iter().any(|field| field.name == name));
    if let Some(owner) = roots.iter().find(has_it) {
        return format!("write {}.{name}", owner.name);
    }
    match did_you_mean(name, roots.iter().map(|root| root.name.as_str()).chain(["now"])) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let known: Vec<_> = roots.iter().map(|root| root.name.as_str()).chain(["now"]).collect();
            format!("known here: {}", known.join(", "))
        }
    }
}

fn unknown_field_help(fields: &[Field], name: &str) -> Option<String> {
    let dashed = format!("{name}-");
    if let Some(dashed) = fields.iter().find(|field| field.name.starts_with(&dashed)) {
        return Some(format!("a name with dashes is written ['{}']", dashed.name));
    }
    match did_you_mean(name, fields.iter().map(|field| field.name.as_str())) {
        Some(meant) => Some(format!("did you mean {meant}?")),
        None if fields.is_empty() || fields.len() > 12 => None,
        None => Some(format!("it has: {}", first_names(fields))),
    }
}

fn first_names(fields: &[Field]) -> String {
    fields
        .iter()
        .map(|field| field.name.as_str())
        .take(12)
        .collect::<Vec<_>>()
        .join(", ")
}
