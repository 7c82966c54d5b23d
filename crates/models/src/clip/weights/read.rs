use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use serde::Deserialize;

use super::WeightLayout;
use super::rules::rules;
use super::weight_file::WeightFile;
use crate::{ClipConfig, ModelsError};

/// Every tensor of a [`Clip`](crate::Clip) of this configuration, in f32 and by stable
/// path, from published weights.
///
/// `path` is a `.safetensors` file, or one of PyTorch (`.pt`, `.pth`, `.bin`; OpenAI's own
/// are TorchScript archives), of which nothing is executed; or the `.index.json` of a model
/// in several; or a folder with `model.safetensors`, its index, or the like. The names are those of Hugging Face's `CLIPModel`, or of OpenAI's code and open_clip; f16
/// and bf16 become f32, which holds them exactly.
///
/// # Errors
/// Files that cannot be read, tensors that are missing, unexpected (all of them are
/// listed), of another shape (the first is named), or not finite.
pub fn read_clip_weights(
    path: &Path,
    config: &ClipConfig,
) -> Result<BTreeMap<String, TensorData>, ModelsError> {
    config.validate()?;
    let mut files = open(path)?;
    let mut owner = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for name in file.names() {
            if owner.insert(name.clone(), index).is_some() {
                let found = format!("tensor `{name}` in two of its files");
                return Err(ModelsError::weights(path, "every tensor once", found));
            }
        }
    }
    let names: BTreeSet<String> = owner.keys().cloned().collect();
    let Some(layout) = WeightLayout::of(&names) else {
        let some: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
        return Err(ModelsError::weights(
            path,
            "the tensors of a CLIP with a vision transformer, named as Hugging Face's CLIPModel \
             or OpenAI's code names them",
            format!("{} others: {}, ...", names.len(), some.join(", ")),
        ));
    };
    let rules = rules(layout.names(), config);
    let wanted: BTreeSet<String> = rules.iter().map(|rule| rule.source.clone()).collect();
    let list = |names: &BTreeSet<String>, but: &BTreeSet<String>| -> Vec<String> {
        let rest = names.difference(but);
        rest.filter(|name| !layout.is_derived(name))
            .cloned()
            .collect()
    };
    let (missing, unexpected) = (list(&wanted, &names), list(&names, &wanted));
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(ModelsError::WeightNames {
            path: path.to_owned(),
            missing,
            unexpected,
        });
    }
    for rule in &rules {
        let found = files[owner[&rule.source]].shape(&rule.source);
        if found != Some(rule.source_shape.as_slice()) {
            return Err(ModelsError::weights(
                path,
                format!("tensor `{}` of shape {:?}", rule.source, rule.source_shape),
                format!(
                    "{:?}: weights of another architecture",
                    found.unwrap_or(&[])
                ),
            ));
        }
    }

    let mut tensors = BTreeMap::new();
    for rule in &rules {
        let values = files[owner[&rule.source]].read(&rule.source)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} at position {at}", values[at]);
            let expected = format!("finite values in tensor `{}`", rule.source);
            return Err(ModelsError::weights(path, expected, found));
        }
        let data = TensorData::new(rule.apply(values), rule.shape.clone());
        tensors.insert(rule.ours.clone(), data);
    }
    Ok(tensors)
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, PathBuf>,
}

/// What a folder may hold, in the order of preference.
const NAMES: [&str; 6] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
];

fn open(path: &Path) -> Result<Vec<WeightFile>, ModelsError> {
    if path.is_dir() {
        let found = NAMES.iter().map(|name| path.join(name));
        let Some(file) = found.into_iter().find(|file| file.is_file()) else {
            let expected = format!("a folder with {}", NAMES.join(", or "));
            return Err(ModelsError::weights(path, expected, "none of them"));
        };
        return open(&file);
    }
    if !path.to_string_lossy().ends_with(".index.json") {
        return Ok(vec![WeightFile::open(path)?]);
    }
    let refuse = |found: String| {
        ModelsError::weights(path, "the index of files of weights (weight_map)", found)
    };
    let text = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&PathBuf> = index.weight_map.values().collect();
    // In the folder of the index, wherever the names would lead.
    if let Some(name) = names.iter().find(|name| name.components().count() != 1) {
        return Err(refuse(format!("a path, {}", name.display())));
    }
    let files = names
        .into_iter()
        .map(|name| WeightFile::open(&folder.join(name)));
    files.collect()
}
