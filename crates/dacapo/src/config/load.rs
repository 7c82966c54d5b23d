//! From text and `--set` to a checked configuration.

use std::path::Path;

use toml::{Table, Value};

use super::RunConfig;
use crate::CliError;

/// No key has as many parts, joined by dots.
const MOST_PARTS: usize = 16;

/// No value has tables in tables as deep, `{ a = { b = 1 } }`.
const MOST_TABLES: usize = 8;

/// Refuses a text of settings that would be read, or dropped, too deep for the stack: keys of
/// 80 parts in tables in tables, as far as the TOML reader goes. Braces in texts and comments
/// count, too, as long as they are not closed.
pub(super) fn check_depth(path: &Path, text: &str) -> Result<(), CliError> {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MOST_TABLES {
            return Err(CliError::input(
                format!(
                    "{}: expected at most {MOST_TABLES} open braces, found more",
                    path.display()
                ),
                "Write tables as sections; docs/config.md lists every key",
            ));
        }
    }
    Ok(())
}

/// Reads `file` (or starts from nothing), lays it and then every `key=value` of `set`
/// over `base`.
///
/// # Errors
/// A file that is missing or no TOML, an unknown key, a value of the wrong type: each
/// names the place.
pub fn load_config(
    base: RunConfig,
    file: Option<&Path>,
    set: &[String],
) -> Result<RunConfig, CliError> {
    let mut table = Table::try_from(base).expect("a configuration is plain data");
    let source = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                CliError::input(
                    format!("cannot read the configuration {}: {error}", path.display()),
                    "Check the path, or leave it out to use the embedded default",
                )
            })?;
            check_depth(path, &text)?;
            let given: Table = text.parse().map_err(|error: toml::de::Error| {
                CliError::input(
                    format!("{} is not valid TOML: {}", path.display(), one_line(&error)),
                    "Correct the file; docs/config.md lists every key",
                )
            })?;
            overlay(&mut table, given).map_err(|section| {
                CliError::input(
                    format!("{}: `{section}` is a section, not a value", path.display()),
                    "Set its keys; docs/config.md lists every key",
                )
            })?;
            path.display().to_string()
        }
        None => "the configuration".to_owned(),
    };
    for assignment in set {
        apply(&mut table, assignment)?;
    }
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let at = error.path().to_string();
        CliError::input(
            format!("{source}: at `{at}`: {}", one_line(error.inner())),
            "Correct the key; docs/config.md lists every key with its type and default",
        )
    })
}

/// Lays `given` over `table`. A table that names another variant of an enum (`kind`)
/// replaces the old one: the keys of two variants do not mix.
///
/// A value where a table is is refused, with its key: a later key of that table would
/// bring the table back, without the values it had.
fn overlay(table: &mut Table, given: Table) -> Result<(), String> {
    for (key, value) in given {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => {
                if names_another_kind(&key, old, &new) {
                    *old = new;
                } else {
                    overlay(old, new).map_err(|below| format!("{key}.{below}"))?;
                }
            }
            (Some(Value::Table(_)), _) => return Err(key),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    Ok(())
}

/// Whether `new` is of another variant than `old`. AdamW is written without a name.
fn names_another_kind(section: &str, old: &Table, new: &Table) -> bool {
    match section {
        "scheduler" => new.contains_key("kind"),
        "optimizer" => {
            let adamw = Value::String("adamw".to_owned());
            let kind = |table: &Table| table.get("kind").unwrap_or(&adamw).clone();
            new.contains_key("kind") && kind(old) != kind(new)
        }
        _ => false,
    }
}

fn apply(table: &mut Table, assignment: &str) -> Result<(), CliError> {
    let refuse = |why: &str| {
        CliError::input(
            format!("--set {}: {why}", assignment.escape_debug()),
            "Write it as key=value with the key's whole path, for example optimizer.lr=1e-3",
        )
    };
    let (key, text) = assignment
        .split_once('=')
        .ok_or_else(|| refuse("there is no `=`"))?;
    let (key, text) = (key.trim(), text.trim());
    // Tables in tables are dropped and read one inside the other, on the stack.
    let parts = key.split('.').count();
    if parts > MOST_PARTS {
        let short: String = assignment.chars().take(40).collect();
        let short = short.escape_debug();
        return Err(CliError::input(
            format!(
                "--set {short}...: expected a key of at most {MOST_PARTS} parts, found {parts}"
            ),
            "Write it as key=value with the key's whole path; docs/config.md lists every key",
        ));
    }
    check_depth(Path::new("--set"), text)?;
    // The value as TOML; a bare word is a string.
    let value = match format!("value = {text}").parse::<Table>() {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove("value"),
        _ => Some(Value::String(text.to_owned())),
    }
    .ok_or_else(|| refuse("the value cannot be read"))?;
    let mut given = value;
    for part in key.rsplit('.') {
        if part.is_empty() {
            return Err(refuse("the key has an empty part"));
        }
        given = Value::Table(Table::from_iter([(part.to_owned(), given)]));
    }
    match given {
        Value::Table(given) => {
            // `scheduler.kind` starts that table afresh; its other keys follow.
            overlay(table, given)
                .map_err(|section| refuse(&format!("`{section}` is a section, not a value")))
        }
        _ => Err(refuse("the key is empty")),
    }
}

fn one_line(error: &impl ToString) -> String {
    let text = error.to_string();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
