use dacapo_pth::Dict;
use dacapo_trainer::TrainerRecord;
use serde_json::Value;

use super::{
    layer_name::{LayerName, PARTS},
    tensors::to_theirs,
};
use crate::CliError;

/// What the original's code has alpha at.
const ALPHA: f64 = 16.0;

/// The adapters of `record` as CLIP-HBA's `save_dora_parameters` writes them: for each
/// output projection `m` `[out]`, `delta_D_A` = Bᵀ `[rank, out]` and `delta_D_B` = Aᵀ
/// `[in, rank]`, in the order of their blocks, those of the image transformer first; and the
/// original's number of the epoch, which counts from 0.
///
/// # Errors
/// A record from within an epoch or of another kind of run, and whatever the original's
/// layer has no place for: another flavour, another alpha, another layer.
pub fn dora_params(record: &TrainerRecord) -> Result<(Dict, u64), CliError> {
    let refuse = |what: String| {
        Err(CliError::input(
            format!("the checkpoint cannot be exported as clip-hba: {what}"),
            "The original's DoRALayer sits on attention output projections of CLIP, with alpha \
             16; export the end of an epoch of such a run",
        ))
    };
    let data = &record.data;
    if data.epoch == 0 || data.position > 0 {
        return refuse(format!(
            "it is from within epoch {}, after {} examples",
            data.epoch + 1,
            data.position
        ));
    }
    let config: Value = serde_json::from_str(&record.run.config).unwrap_or_default();
    let (kind, adapt) = (&config["model"]["kind"], &config["adapt"]);
    if kind != "clip" || adapt["mode"] != "dora" {
        return refuse(format!(
            "model.kind is {kind}, adapt.mode {}",
            adapt["mode"]
        ));
    }
    if adapt["flavour"] != "clip-hba" || adapt["alpha"].as_f64() != Some(ALPHA) {
        return refuse(format!(
            "adapt.flavour is {}, adapt.alpha {}",
            adapt["flavour"], adapt["alpha"]
        ));
    }
    let mut layers = Vec::new();
    for path in record.adapters.keys() {
        let Some(layer) = path.strip_suffix(".adapter.magnitude") else {
            continue;
        };
        match LayerName::from_ours(layer) {
            Some(layer) => layers.push(layer),
            None => return refuse(format!("there is an adapter on {layer}")),
        }
    }
    layers.sort_unstable();
    let mut params = Dict::new();
    for layer in layers {
        for (theirs, ours, turned) in PARTS {
            let path = format!("{}.adapter.{ours}", layer.ours());
            let tensor = record.adapters.get(&path);
            let Some(tensor) = tensor.and_then(|data| to_theirs(data, turned)) else {
                return refuse(format!("{path} is missing or not in f32"));
            };
            params.insert(
                format!("{}.{theirs}", layer.theirs()).as_str(),
                tensor.into(),
            );
        }
    }
    Ok((params, data.epoch - 1))
}
