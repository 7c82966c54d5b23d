use std::{collections::BTreeMap, path::Path};

use dacapo_pth::{Key, PthFile};
use dacapo_trainer::{ImportSource, Imported, Task, Trainer};

use super::{
    OriginalFiles,
    layer_name::{LayerName, PARTS},
    original_history::read_history,
    original_states::read_states,
    task::ClipTask,
    tensors::{from_theirs, wrong},
};
use crate::{CliError, compute::Compute};

/// Reads what the original's training left at the end of an epoch, for the run that `trainer`
/// is at the start of: adapters, the optimizer's settings and state, and the history.
///
/// With `fresh_optimizer`, moments and steps begin anew, as when the original went on without
/// them.
///
/// # Errors
/// A file that is damaged, of another epoch or of other adapters; a part of it that is not
/// known; a missing optimizer state without `fresh_optimizer`. Each names file and place.
pub fn read_original<B: Compute>(
    files: &OriginalFiles,
    trainer: &Trainer<B, ClipTask<B>>,
    fresh_optimizer: bool,
) -> Result<Imported, CliError> {
    let mut hashes = BTreeMap::new();
    let mut read = |path: &Path| -> Result<Vec<u8>, CliError> {
        let bytes = std::fs::read(path).map_err(|error| {
            CliError::input(
                format!("cannot read {}: {error}", path.display()),
                "Make the file readable",
            )
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        hashes.insert(name.into_owned(), hash);
        Ok(bytes)
    };
    let layers = layers(trainer)?;

    let params = PthFile::from_bytes(&files.dora_params, read(&files.dora_params)?)?;
    let mut adapters = BTreeMap::new();
    let mut known = Vec::new();
    for layer in &layers {
        for (theirs, ours, turned) in PARTS {
            let key = format!("{}.{theirs}", layer.theirs());
            let data = from_theirs(&params.root().get(key.as_str())?, turned)?;
            adapters.insert(format!("{}.adapter.{ours}", layer.ours()), data);
            known.push(Key::from(key.as_str()));
        }
    }
    for (key, node) in params.root().entries()? {
        if !known.contains(key) {
            let expected = "adapters on the layers of adapt.targets alone";
            return Err(wrong(&node, expected, "one more"));
        }
    }

    let wanted = trainer.task().metrics().unwrap_or_default();
    let wanted: Vec<String> = wanted
        .into_iter()
        .chain(["train_loss".to_owned()])
        .collect();
    let history = read(&files.history)?;
    let metrics = read_history(&files.history, &history, files.epoch, &wanted)?;
    let epochs = metrics.len() as u64;

    let states = PthFile::from_bytes(&files.random_states, read(&files.random_states)?)?;
    let found = read_states(
        &states,
        files.epoch,
        &layers,
        trainer.optimizer_steps_after(epochs),
    )?;
    let ticks = trainer.schedule_ticks_after(epochs);
    if let Some(position) = found.scheduler_epoch
        && u64::try_from(position) != Ok(ticks)
    {
        let node = states
            .root()
            .get("scheduler_state_dict")?
            .get("last_epoch")?;
        let expected = format!("{ticks}, by train.schedule_unit");
        return Err(wrong(&node, &expected, position));
    }
    let optimizer = match (found.optimizer, fresh_optimizer) {
        (_, true) => None,
        (Some(record), false) => Some(record),
        (None, false) => {
            return Err(CliError::input(
                format!(
                    "{} has no optimizer_state_dict: without its moments the run cannot go on as \
                     it would have",
                    files.random_states.display()
                ),
                "Choose an epoch that has it, or begin with fresh moments by --fresh-optimizer",
            ));
        }
    };
    if let Some(split) = &files.split {
        read(split)?;
    }

    let mut replaced = Vec::new();
    if !found.generators.is_empty() {
        replaced.push(format!(
            "{}: only PyTorch can go on with its generators; the order of the images comes from \
             the stream `shuffle` and dropout from `dropout`, by run.seed",
            found.generators.join(", ")
        ));
    }
    if fresh_optimizer {
        replaced.push("the optimizer's state: it begins anew, as asked for".to_owned());
    }
    replaced.push(
        "early stopping: counted again from the history, without the loss of the untrained model, \
         which no file holds"
            .to_owned(),
    );
    Ok(Imported {
        source: ImportSource {
            format: "clip-hba".to_owned(),
            epoch: files.epoch,
            files: hashes,
            replaced,
        },
        adapters,
        optimizer,
        metrics,
    })
}

/// The layers with adapters, in the order of the original's parameters.
fn layers<B: Compute>(trainer: &Trainer<B, ClipTask<B>>) -> Result<Vec<LayerName>, CliError> {
    let mut layers = Vec::new();
    for path in trainer.trainable().keys() {
        let refuse = || {
            CliError::input(
                format!("{path} is trained, which the original cannot have saved"),
                "Set adapt.mode = \"dora\", adapt.flavour = \"clip-hba\" and adapt.targets to \
                 attention output projections, as in examples/clip_hba.toml",
            )
        };
        let (layer, part) = path.split_once(".adapter.").ok_or_else(refuse)?;
        let layer = LayerName::from_ours(layer).ok_or_else(refuse)?;
        if part == "magnitude" {
            layers.push(layer);
        }
    }
    layers.sort_unstable();
    Ok(layers)
}
