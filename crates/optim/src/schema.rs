//! JSON Schemas of what derives cannot tell: `kind` is a key of the optimizers' tables in a file,
//! and no field of their types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{AdamWConfig, OptimizerConfig, OptimizerKind, SgdConfig};

impl JsonSchema for OptimizerConfig {
    fn schema_name() -> Cow<'static, str> {
        "OptimizerConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut adamw = AdamWConfig::json_schema(generator);
        with_kind(&mut adamw, OptimizerKind::AdamW);
        let mut sgd = SgdConfig::json_schema(generator);
        // Without it the table is AdamW's.
        sgd.insert("required".to_owned(), json!(["kind"]));
        json_schema!({ "oneOf": [adamw, sgd] })
    }
}

/// Adds the key `kind` to SGD's own keys.
pub(crate) fn with_sgd(schema: &mut Schema) {
    with_kind(schema, OptimizerKind::Sgd);
}

fn with_kind(schema: &mut Schema, kind: OptimizerKind) {
    let keys = schema.get_mut("properties").and_then(Value::as_object_mut);
    keys.expect("a configuration has keys").insert(
        "kind".to_owned(),
        json!({ "description": "Which optimizer.", "const": kind }),
    );
}
