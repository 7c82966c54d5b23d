//! Arguments of the commands that help to use the others.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration to check (TOML) [default: the embedded one].
    pub config: Option<PathBuf>,
    /// Set any key, as in `train`; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Lay it over the defaults of `pretrain` instead of those of `train`.
    #[arg(long)]
    pub pretrain: bool,
    /// Print the defaults with every key's meaning, and the keys that are absent as comments.
    #[arg(long, conflicts_with_all = ["config", "set"])]
    pub default: bool,
    /// Print the JSON Schema (draft 2020-12) of a configuration, for editors.
    #[arg(long, conflicts_with_all = ["config", "set", "pretrain", "default"])]
    pub schema: bool,
    /// Print the configuration as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for the program and for every command into this folder, over older ones.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
