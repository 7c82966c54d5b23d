use burn::tensor::TensorData;
use dacapo_pth::{Dict, Dtype, Tensor};
use dacapo_trainer::TrainerRecord;
use serde_json::Value;

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
        match place(layer) {
            Some(place) => layers.push((place, layer)),
            None => return refuse(format!("there is an adapter on {layer}")),
        }
    }
    layers.sort_unstable();
    let mut params = Dict::new();
    for ((text, block), layer) in layers {
        let tower = if text {
            "transformer"
        } else {
            "visual.transformer"
        };
        let to = format!("clip_model.{tower}.resblocks.{block}.attn.out_proj");
        for (name, ours, turned) in [
            ("m", "magnitude", false),
            ("delta_D_A", "lora_b", true),
            ("delta_D_B", "lora_a", true),
        ] {
            let path = format!("{layer}.adapter.{ours}");
            let tensor = match record.adapters.get(&path) {
                Some(data) => tensor(data, turned),
                None => None,
            };
            let Some(tensor) = tensor else {
                return refuse(format!("{path} is missing or not in f32"));
            };
            params.insert(format!("{to}.{name}").as_str(), tensor.into());
        }
    }
    Ok((params, data.epoch - 1))
}

/// Whether it is a text block, and its number, of an output projection.
fn place(layer: &str) -> Option<(bool, usize)> {
    let block = layer.strip_suffix(".attn.out_proj")?;
    let (tower, block) = block.split_once(".blocks.")?;
    let text = match tower {
        "visual" => false,
        "text" => true,
        _ => return None,
    };
    Some((text, block.parse().ok()?))
}

/// In f32; `turned`, a matrix with its axes exchanged.
fn tensor(data: &TensorData, turned: bool) -> Option<Tensor> {
    let values = data.as_slice::<f32>().ok()?;
    let mut shape = data.shape.to_vec();
    let values: Vec<f32> = match (turned, shape.as_slice()) {
        (false, _) => values.to_vec(),
        (true, &[rows, columns]) => {
            shape.reverse();
            let columns_first =
                (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
            columns_first
                .map(|(row, column)| values[row * columns + column])
                .collect()
        }
        (true, _) => return None,
    };
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Tensor::new(Dtype::F32, shape, bytes.collect()).ok()
}
