//! Making and opening run folders.

use std::path::{Path, PathBuf};

use dacapo_record::{FsStorage, Storage, commit, create_folder};
use dacapo_trainer::{RunFolder, SettingChange};

use super::clock::host;
use crate::{
    CliError,
    config::{RunConfig, load_config},
};

/// The resolved configuration's file in a run folder.
pub(crate) const CONFIG: &str = "config.toml";

/// Who works here, for others that come to a locked folder.
pub(crate) fn holder() -> String {
    let command = std::env::args().nth(1).unwrap_or_default();
    format!(
        "process {} on {} (dacapo {command})",
        std::process::id(),
        host()
    )
}

/// The run in this folder, for this process alone.
pub(crate) fn open(root: &Path) -> Result<RunFolder, CliError> {
    check_is_run(root)?;
    lock(root)
}

/// As [`open`], for a folder that may lack its configuration.
pub(crate) fn lock(root: &Path) -> Result<RunFolder, CliError> {
    let folder = RunFolder::new(root);
    folder.lock(&holder())?;
    Ok(folder)
}

/// The folder for a new run: the one asked for, or the next free `runs/NAME-NNN`.
///
/// Nothing is made yet.
pub(crate) fn choose(asked: Option<&Path>, name: &str) -> Result<PathBuf, CliError> {
    if let Some(path) = asked {
        return free(path);
    }
    let free = (1..10_000)
        .map(|number| PathBuf::from(format!("runs/{name}-{number:03}")))
        .find(|path| !path.exists());
    free.ok_or_else(|| CliError::input("runs/ is full", "Choose a folder with --out"))
}

/// This folder, unless it exists.
pub(crate) fn free(path: &Path) -> Result<PathBuf, CliError> {
    match path.exists() {
        true => Err(CliError::input(
            format!("the run folder {} exists already", path.display()),
            format!(
                "Go on with it by `dacapo resume {}`, or choose another --out",
                path.display()
            ),
        )),
        false => Ok(path.to_owned()),
    }
}

/// Makes the folder and writes the configuration into it. On failure nothing is left.
pub(crate) fn create(root: &Path, config: &RunConfig) -> Result<(), CliError> {
    let refuse = |error: &dyn std::fmt::Display| {
        CliError::input(
            format!("cannot make the run folder {}: {error}", root.display()),
            "Choose a folder that can be written to with --out",
        )
    };
    let parent = match root.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_folder(&FsStorage, parent).map_err(|error| refuse(&error))?;
    // It must not be there yet.
    std::fs::create_dir(root).map_err(|error| refuse(&error))?;
    FsStorage.sync_dir(parent).map_err(|error| refuse(&error))?;
    write_config(root, config).inspect_err(|_| {
        // Only what was made here; the error that is on its way says more.
        let _ = std::fs::remove_dir_all(root);
    })
}

pub(crate) fn write_config(root: &Path, config: &RunConfig) -> Result<(), CliError> {
    let text = config_text(config)?;
    Ok(commit(&FsStorage, &root.join(CONFIG), text.as_bytes())?)
}

/// The configuration as its file holds it.
pub(crate) fn config_text(config: &RunConfig) -> Result<String, CliError> {
    let text = toml_text(config)?;
    Ok(format!(
        "# Every setting of this run. train.epochs, [checkpoint] and the path of a moved\n\
         # model.base may be changed before `dacapo resume`; anything else is another run\n\
         # and is refused.\n\n{text}"
    ))
}

/// Every key, as TOML.
pub(crate) fn toml_text(config: &RunConfig) -> Result<String, CliError> {
    toml::to_string_pretty(config).map_err(|error| {
        CliError::input(
            format!("the configuration cannot be written as TOML: {error}"),
            "Use seeds below 2^63, the largest integer of TOML",
        )
    })
}

pub(crate) fn read_config(root: &Path) -> Result<RunConfig, CliError> {
    check_is_run(root)?;
    load_config(RunConfig::default(), Some(&root.join(CONFIG)), &[])
}

fn check_is_run(root: &Path) -> Result<(), CliError> {
    match root.join(CONFIG).is_file() {
        true => Ok(()),
        false => Err(CliError::input(
            format!("{} is no run folder: it has no {CONFIG}", root.display()),
            "Give a folder that `dacapo train` made; if it was one, `dacapo repair` tells what \
             can be saved",
        )),
    }
}

/// Refuses a configuration that was changed where a resumed run must not be.
pub(crate) fn check_unchanged(config: &RunConfig, recorded: &str) -> Result<(), CliError> {
    let recorded: serde_json::Value = serde_json::from_str(recorded).map_err(|error| {
        CliError::input(
            format!("state `run.config` is no JSON: {error}"),
            "Resume from another checkpoint of this run",
        )
    })?;
    // Read back like the recorded text, so that both went through the same parser.
    let current = serde_json::from_str(&config.shared_json().to_string())
        .expect("JSON that was just written");
    let changed: Vec<String> = changes(&recorded, &current)
        .into_iter()
        .map(|SettingChange { key, from, to }| format!("{key} is {to}, was {from}"))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(CliError::input(
        format!(
            "{CONFIG} does not agree with the run's latest checkpoint: {}",
            changed.join("; ")
        ),
        "If the file was changed, put the old values back, or start another run with \
         `dacapo train`; if the checkpoint is another run's, put this run's own back",
    ))
}

/// The keys in which two configurations differ.
pub(crate) fn changes(from: &serde_json::Value, to: &serde_json::Value) -> Vec<SettingChange> {
    let mut out = Vec::new();
    differences("", from, to, &mut out);
    out
}

fn differences(
    path: &str,
    from: &serde_json::Value,
    to: &serde_json::Value,
    out: &mut Vec<SettingChange>,
) {
    use serde_json::Value::{Null, Object};
    match (from, to) {
        (Object(a), Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let at = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                differences(
                    &at,
                    a.get(key).unwrap_or(&Null),
                    b.get(key).unwrap_or(&Null),
                    out,
                );
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(SettingChange {
            key: path.to_owned(),
            from: a.to_string(),
            to: b.to_string(),
        }),
    }
}
