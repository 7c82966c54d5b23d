//! As much of JSON Schema as the configuration's schema uses; anything else in it is a panic.

use serde_json::{Map, Value};

/// Why `value` is none of what `schema` allows.
pub fn violation(schema: &Value, value: &Value) -> Option<String> {
    check(
        "",
        schema.as_object().expect("a schema is an object"),
        value,
    )
    .err()
}

fn check(at: &str, schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    for (keyword, rule) in schema {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "format" => true,
            "type" => is_of(rule.as_str().expect("one type"), value),
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "minItems" => elements(value).count() as u64 >= rule.as_u64().expect("a count"),
            "maxItems" => elements(value).count() as u64 <= rule.as_u64().expect("a count"),
            "items" => {
                for (index, element) in elements(value).enumerate() {
                    check(&format!("{at}[{index}]"), object(rule), element)?;
                }
                true
            }
            "oneOf" => {
                let kinds = rule.as_array().expect("a list").iter();
                let fits = |kind: &&Value| check(at, object(kind), value).is_ok();
                kinds.filter(fits).count() == 1
            }
            "required" => elements(rule).all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, value) in members(value) {
                    if let Some(schema) = rule.get(key) {
                        check(&format!("{at}.{key}"), object(schema), value)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = schema.get("properties");
                let is_named = |key: &str| named.is_some_and(|named| named.get(key).is_some());
                for (key, value) in members(value).filter(|(key, _)| !is_named(key)) {
                    match rule {
                        Value::Bool(false) => return Err(format!("{at}.{key} is unknown")),
                        rule => check(&format!("{at}.{key}"), object(rule), value)?,
                    }
                }
                true
            }
            other => panic!("the schema uses `{other}` at {at}, which is not checked"),
        };
        if !holds {
            return Err(format!("{at}: {keyword} {rule}, found {value}"));
        }
    }
    Ok(())
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the schema uses the type {other}"),
    }
}

fn object(schema: &Value) -> &Map<String, Value> {
    schema.as_object().expect("a schema is an object")
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
