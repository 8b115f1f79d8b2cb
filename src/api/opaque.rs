//! What the API server stores as it is, because a schema has no words for it: scalars of any type, JSON Schemas, samples.
//! What is in them is judged by `compile`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number, a boolean, or a literal with `${CEL}` inside. The compiler refuses objects and null; a schema has no type
/// for "any scalar".
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(transparent)]
pub struct Scalar(pub serde_json::Value);

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}

/// Names to values: `with`, `set`, `attributes`.
pub type Scalars = BTreeMap<String, Scalar>;

/// Schema of [`Scalars`]. Opaque as a whole: a map whose values have no type does not exist for CEL, `has()` on it does
/// not compile.
pub(super) fn scalars(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "nullable": true,
        "minProperties": 1, "maxProperties": 64
    })
}

/// An object whose fields are somebody else's: a JSON Schema.
pub(super) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "nullable": true})
}

/// At most twenty such objects.
pub(super) fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 20,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}
