//! A run's configuration, from one of its records.

use dacapo_trainer::TrainerRecord;
use serde_json::{Value, json};

use crate::{CliError, config::RunConfig};

/// The configuration that a run was recorded with, as `config.toml` holds it; a checkpoint
/// policy is in no record, so it is the default one.
pub(super) fn config_of(record: &TrainerRecord) -> Result<RunConfig, CliError> {
    let refuse = |error: serde_json::Error| {
        CliError::input(
            format!("the record's `run.config` cannot be read: {error}"),
            "Write config.toml anew with the settings that the run was started with",
        )
    };
    let mut value: Value = serde_json::from_str(&record.run.config).map_err(refuse)?;
    let mut files = Vec::new();
    paths(&value, "", &mut files);
    if !files.is_empty() {
        return Err(CliError::input(
            format!(
                "config.toml cannot be written anew: a record does not say where files lie ({})",
                files.join(", ")
            ),
            "Copy config.toml from a branch of the run or write it anew, then repair again",
        ));
    }
    value["train"]["epochs"] = json!(record.run.epochs);
    value["run"]["precision"] = json!(record.identity.precision);
    serde_json::from_value(value).map_err(refuse)
}

/// The keys whose paths were left out.
fn paths(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                paths(value, format!("{at}.{key}").trim_start_matches('.'), out);
            }
        }
        Value::String(text) if text == RunConfig::A_FILE => out.push(at.to_owned()),
        _ => {}
    }
}
