//! A configuration with what the schema knows as comments.

use serde_json::{Map, Value};

use super::as_json;
use crate::config::{RunConfig, keys_of};

const WIDTH: usize = 92;

/// `text`, which is `config` as TOML, with every key's meaning above it and the keys that are
/// absent as comments without a blank after the `#`.
pub(super) fn commented(text: &str, config: &RunConfig, schema: &Value) -> String {
    let root = as_json(config);
    let mut out = String::from(
        "# Every key with its default. Those behind a `#` without a blank are absent by default.\n",
    );
    let mut table = Table::find(&root, schema, "");
    for line in text.lines().filter(|line| !line.is_empty()) {
        let header = line.strip_prefix('[').and_then(|at| at.strip_suffix(']'));
        if let Some(path) = header {
            table.absent(&mut out);
            table = Table::find(&root, schema, path);
            out.push('\n');
            prose(&mut out, &table.meaning);
        } else if let Some((key, _)) = line.split_once(" = ")
            && let Some(schema) = table.keys.get(key)
        {
            prose(&mut out, &meaning(schema));
        }
        out += line;
        out.push('\n');
    }
    table.absent(&mut out);
    let sections = schema["properties"].as_object().into_iter().flatten();
    for (name, schema) in sections.filter(|(name, _)| root.get(name).is_none()) {
        out.push('\n');
        prose(&mut out, &meaning(schema));
        out += &format!("#[{name}]\n");
        let keys = schema["properties"].as_object();
        for (key, schema) in keys.into_iter().flatten() {
            absent(&mut out, key, schema);
        }
    }
    out
}

/// A section of the configuration.
struct Table<'a> {
    meaning: String,
    keys: &'a Map<String, Value>,
    written: &'a Value,
}

impl<'a> Table<'a> {
    fn find(root: &'a Value, schema: &'a Value, path: &str) -> Self {
        let step = |(schema, written): (&'a Value, &'a Value), key: &str| {
            let keys = keys_of(schema, written).expect("a section is a table");
            (&keys[key], &written[key])
        };
        let parts = path.split('.').filter(|part| !part.is_empty());
        let (schema, written) = parts.fold((schema, root), step);
        Self {
            meaning: meaning(schema),
            keys: keys_of(schema, written).expect("a section is a table"),
            written,
        }
    }

    /// Writes the keys that are absent; sections come in the end.
    fn absent(&self, out: &mut String) {
        let keys = self.keys.iter();
        for (key, schema) in keys.filter(|(key, _)| self.written.get(key).is_none()) {
            if schema.get("properties").is_none() {
                absent(out, key, schema);
            }
        }
    }
}

fn absent(out: &mut String, key: &str, schema: &Value) {
    prose(out, &meaning(schema));
    let value = match schema.get("default").or(schema.get("const")) {
        Some(value) => value.to_string(),
        None => format!("({})", kind(schema)),
    };
    *out += &format!("#{key} = {value}\n");
}

/// What TOML calls a value of the schema's type.
fn kind(schema: &Value) -> &str {
    let of_first_kind = &schema["oneOf"][0]["type"];
    match schema["type"].as_str().or(of_first_kind.as_str()) {
        Some("object") => "table",
        Some("number") => "float",
        Some(name) => name,
        None => "value",
    }
}

/// What a key means, and which values it can have if they are few.
fn meaning(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let kinds = schema["oneOf"].as_array().into_iter().flatten();
    let names: Vec<String> = kinds
        .filter_map(|kind| kind.get("const"))
        .map(Value::to_string)
        .collect();
    match names.is_empty() {
        true => text.to_owned(),
        false => format!("{text} One of {}.", names.join(", ")),
    }
}

fn prose(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= WIDTH {
            *out += &line;
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line += word;
    }
    if line.len() > 1 {
        *out += &line;
        out.push('\n');
    }
}
