//! What an expression may name, and what type it has there. Knows CustomerProfile and JSON Schema types, no Kubernetes.
use serde_json::Value as Json;
use std::{fmt, sync::Arc};

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Bool,
    Int,
    Number,
    /// The values it can have, where they are declared.
    Text(Option<Arc<[String]>>),
    Instant,
    Duration,
    List(Box<Type>),
    Object(Arc<[Field]>),
    /// The schema gives no single type: it can be tested with has(), not used.
    Opaque,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    pub may_be_missing: bool,
}

/// The roots an expression sees in its place: customer, event, entry, steps. `now` is always there.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub roots: Vec<Field>,
}

impl Type {
    pub const TEXT: Type = Type::Text(None);

    pub fn object(fields: Vec<Field>) -> Type {
        Type::Object(fields.into())
    }

    pub fn is_numeric(&self) -> bool {
        matches!(self, Type::Int | Type::Number)
    }

    /// The same type, whatever the declared values.
    pub fn fits(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Text(_), Type::Text(_)) => true,
            (Type::List(a), Type::List(b)) => a.fits(b),
            (a, b) => a == b,
        }
    }

    /// JSON Schema: type, format date-time, enum, properties, required, items. `[T, "null"]` is T that may be missing. Bounded depth.
    pub fn of_schema(schema: &Json, depth: usize) -> (Type, bool) {
        let (name, nullable) = match &schema["type"] {
            Json::String(name) => (name.as_str(), false),
            Json::Array(names) => {
                let real: Vec<_> = names.iter().filter_map(Json::as_str).filter(|n| *n != "null").collect();
                (if real.len() == 1 { real[0] } else { "" }, real.len() < names.len())
            }
            _ => ("", false),
        };
        let ty = match name {
            _ if depth == 0 => Type::Opaque,
            "boolean" => Type::Bool,
            "integer" => Type::Int,
            "number" => Type::Number,
            "string" if schema["format"] == "date-time" => Type::Instant,
            "string" => Type::Text(
                schema["enum"]
                    .as_array()
                    .map(|v| v.iter().filter_map(|s| s.as_str().map(Into::into)).collect()),
            ),
            "array" => Type::List(Box::new(Type::of_schema(&schema["items"], depth - 1).0)),
            "object" => {
                let required = |name: &str| {
                    schema["required"]
                        .as_array()
                        .is_some_and(|r| r.iter().any(|n| n == name))
                };
                let fields = schema["properties"].as_object().into_iter().flatten();
                Type::object(
                    fields
                        .map(|(name, of)| {
                            let (ty, nullable) = Type::of_schema(of, depth - 1);
                            Field {
                                name: name.clone(),
                                ty,
                                may_be_missing: nullable || !required(name),
                            }
                        })
                        .collect(),
                )
            }
            _ => Type::Opaque,
        };
        (ty, nullable)
    }
}

/// `{:#}` puts the article before it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(if matches!(self, Type::Int | Type::Object(_)) {
                "an "
            } else {
                "a "
            })?;
        }
        match self {
            Type::Bool => f.write_str("boolean"),
            Type::Int => f.write_str("integer"),
            Type::Number => f.write_str("number"),
            Type::Text(_) => f.write_str("text"),
            Type::Instant => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::List(of) => write!(f, "list of {of}"),
            Type::Object(_) => f.write_str("object"),
            Type::Opaque => f.write_str("value without a single type"),
        }
    }
}
