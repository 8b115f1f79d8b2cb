//! What an expression may name, and what type it has there. Knows JSON Schema's types, nothing of Kubernetes or expressions. Made by
//! `compile` from profiles and schemas, read by `check`.

use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Bool,
    /// 64 bits.
    Int,
    /// A finite 64-bit float.
    Number,
    /// The values it can have, where they are declared.
    Text(Option<Arc<[String]>>),
    /// A timestamp, to the microsecond.
    Instant,
    Duration,
    List(Box<Type>),
    Object(Arc<[Field]>),
    /// The schema gives no single type: it can be tested with has(), not used.
    Opaque,
}

/// A name, and what stands there.
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
    /// A text that can be anything.
    pub const TEXT: Type = Type::Text(None);

    pub fn object(fields: Vec<Field>) -> Type {
        Type::Object(fields.into())
    }

    pub fn is_numeric(&self) -> bool {
        matches!(self, Type::Int | Type::Number)
    }

    /// Whether it is one value, neither a list nor an object.
    pub fn is_scalar(&self) -> bool {
        match self {
            Type::Bool | Type::Int | Type::Number | Type::Text(_) | Type::Instant | Type::Duration => true,
            Type::List(_) | Type::Object(_) | Type::Opaque => false,
        }
    }

    /// Whether every part of it has a single type, so that its value can be given away whole.
    pub fn is_definite(&self) -> bool {
        match self {
            Type::Bool | Type::Int | Type::Number | Type::Text(_) | Type::Instant | Type::Duration => true,
            Type::List(of) => of.is_definite(),
            Type::Object(fields) => fields.iter().all(|field| field.ty.is_definite()),
            Type::Opaque => false,
        }
    }

    /// The same type, whatever the declared values.
    pub fn fits(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Text(_), Type::Text(_)) => true,
            (Type::List(a), Type::List(b)) => a.fits(b),
            (a, b) => a == b,
        }
    }

    /// The type a JSON Schema describes, and whether it allows null, which is the same as missing.
    ///
    /// Read are `type` (one, or one and `null`), `format: date-time`, `enum` of texts, `properties`, `required` and `items`; what has no
    /// single type, and what is nested deeper than `depth`, is [`Type::Opaque`].
    pub fn of_schema(schema: &Json, depth: usize) -> (Type, bool) {
        let (name, nullable) = match &schema["type"] {
            Json::String(name) => (name.as_str(), false),
            Json::Array(names) => {
                let real: Vec<_> = names
                    .iter()
                    .filter_map(Json::as_str)
                    .filter(|name| *name != "null")
                    .collect();
                (if let [only] = real[..] { only } else { "" }, real.len() < names.len())
            }
            _ => ("", false),
        };
        let Some(below) = depth.checked_sub(1) else {
            return (Type::Opaque, nullable);
        };
        let ty = match name {
            "boolean" => Type::Bool,
            "integer" => Type::Int,
            "number" => Type::Number,
            "string" if schema["format"] == "date-time" => Type::Instant,
            "string" => Type::Text(texts(&schema["enum"])),
            "array" => Type::List(Box::new(Type::of_schema(&schema["items"], below).0)),
            "object" => {
                let required = |name: &str| list(&schema["required"]).iter().any(|required| required == name);
                let fields = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, schema)| {
                        let (ty, nullable) = Type::of_schema(schema, below);
                        Field {
                            name: name.clone(),
                            ty,
                            may_be_missing: nullable || !required(name),
                        }
                    });
                Type::object(fields.collect())
            }
            _ => Type::Opaque,
        };
        (ty, nullable)
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn texts(json: &Json) -> Option<Arc<[String]>> {
    let values = json
        .as_array()?
        .iter()
        .filter_map(|value| value.as_str().map(Into::into));
    Some(values.collect())
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
