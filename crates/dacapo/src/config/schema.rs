//! The configuration's JSON Schema.

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

use super::RunConfig;

/// The JSON Schema (draft 2020-12) of a configuration file: every key with its type, meaning
/// and default, without references. What a value may be besides its type is checked when a run
/// is made, not by the schema.
pub fn config_schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<RunConfig>();
    RecursiveTransform(as_in_toml).transform(&mut schema);
    schema.to_value()
}

/// TOML has no null: a key that may be absent is left out. Descriptions become plain text.
fn as_in_toml(schema: &mut Schema) {
    // What is allowed or refused whatever it is has no keywords.
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| *name != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("anyOf") {
        kinds.retain(|kind| kind["type"] != null);
        if let [Value::Object(only)] = kinds.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                // The key's own description says more than its type's.
                schema.entry(key).or_insert(value);
            }
        }
    }
    match schema.get_mut("default") {
        Some(Value::Null) => drop(schema.remove("default")),
        Some(default) => drop_nulls(default),
        None => {}
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = plain(text);
    }
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}

/// Documentation without links and line breaks.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        out += before;
        let Some((name, after)) = after.split_once("`]") else {
            out += "[`";
            rest = after;
            continue;
        };
        out += &format!("`{name}`");
        let target = after.strip_prefix('(').and_then(|to| to.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    out += rest;
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of `schema`, one of a table or of several kinds of one, that `table` is written in.
///
/// Gives the keys of the kind whose constants are the table's; with a constant absent, of the
/// first kind that has every key.
pub(crate) fn keys_of<'a>(schema: &'a Value, table: &Value) -> Option<&'a Map<String, Value>> {
    if let Some(keys) = schema["properties"].as_object() {
        return Some(keys);
    }
    let written = table.as_object()?;
    let kinds = schema["oneOf"].as_array()?.iter();
    let mut kinds = kinds.filter_map(|kind| kind["properties"].as_object());
    kinds.find(|keys| {
        written.iter().all(|(key, value)| {
            let constant = keys.get(key).map(|schema| schema.get("const"));
            constant.is_some_and(|constant| constant.is_none_or(|constant| constant == value))
        })
    })
}
