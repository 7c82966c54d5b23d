//! `dacapo config`.

mod commented;

use serde_json::Value;

use super::{
    args::ConfigArgs,
    output::{print, print_json},
    run_dir::toml_text,
};
use crate::{
    CliError,
    config::{RunConfig, config_schema, load_config},
};

pub(crate) fn config(args: &ConfigArgs) -> Result<i32, CliError> {
    if args.schema {
        print_json(&config_schema())?;
        return Ok(0);
    }
    let base = match args.pretrain {
        true => RunConfig::pretrain(),
        false => RunConfig::default(),
    };
    let config = load_config(base, args.config.as_deref(), &args.set)?;
    config.check()?;
    // Refused here as it is where a run's config.toml is written.
    let text = toml_text(&config)?;
    match (args.json, args.default) {
        (true, _) => print_json(&as_json(&config))?,
        (false, true) => print(&commented::commented(&text, &config, &config_schema()))?,
        (false, false) => print(&text)?,
    }
    Ok(0)
}

/// The configuration without the keys that are absent in TOML.
fn as_json(config: &RunConfig) -> Value {
    let table = toml::Table::try_from(config).expect("written as TOML before");
    serde_json::to_value(table).expect("a configuration has no dates")
}
