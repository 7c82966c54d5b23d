//! The run that a folder holds.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use dacapo_trainer::{Ranks, RunFolder, TrainerRecord};

use super::run_dir;
use crate::{CliError, compute::Cpu, config::RunConfig};

/// The configuration and the latest state of the run in this folder, which agree.
pub(super) fn stored(folder: &RunFolder) -> Result<(RunConfig, TrainerRecord), CliError> {
    let config = run_dir::read_config(folder.root())?;
    let latest = folder.load_latest()?;
    let record = latest.ok_or_else(|| no_checkpoint(folder.root()))?;
    run_dir::check_unchanged(&config, &record.run.config)?;
    Ok((config, record))
}

/// The same for every rank: the first reads it and hands it to the others, which need not see its disk.
/// The folder is held by the first.
pub(super) fn stored_on_all(
    ranks: &Ranks,
    root: &Path,
) -> Result<(Option<RunFolder>, RunConfig, TrainerRecord), CliError> {
    let (mut held, mut message) = (None, Vec::new());
    if ranks.is_first() {
        let folder = run_dir::open(root)?;
        let (config, record) = stored(&folder)?;
        if ranks.size() > 1 {
            let payload = record
                .clone()
                .to_payload::<<Cpu as AutodiffBackend>::InnerBackend>()?;
            let text = run_dir::config_text(&config)?;
            message = rmp_serde::to_vec(&(text, payload)).expect("plain data");
        }
        held = Some((Some(folder), config, record));
    }
    let message = ranks.from_first("checkpoint", message)?;
    if let Some(held) = held {
        return Ok(held);
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        CliError::input(
            format!("the first rank's checkpoint cannot be read: {error}"),
            "Start every rank with the same program",
        )
    };
    let (text, payload): (String, Vec<u8>) =
        rmp_serde::from_slice(&message).map_err(|error| unreadable(&error))?;
    let config = toml::from_str(&text).map_err(|error| unreadable(&error))?;
    let record = TrainerRecord::from_payload(root, &payload)?;
    Ok((None, config, record))
}

fn no_checkpoint(root: &Path) -> CliError {
    CliError::input(
        format!("{} holds no checkpoint to resume from", root.display()),
        "Start the run anew with `dacapo train --out` and another folder",
    )
}
