use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Component, Path};

use burn::tensor::TensorData;
use serde::Deserialize;

use super::WeightLayout;
use super::distinct_map::DistinctMap;
use super::rules::rules;
use super::weight_file::WeightFile;
use crate::plain_file::open_plain_file;
use crate::shown::shown;
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
    let (mut files, claims) = open(path)?;
    let mut owner = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for name in file.names() {
            if owner.insert(name.clone(), index).is_some() {
                let found = format!("tensor `{}` in two of its files", shown(&name));
                return Err(ModelsError::weights(path, "every tensor once", found));
            }
        }
    }
    if let Some(claims) = claims {
        check_claims(path, &claims, &owner)?;
    }
    let names: BTreeSet<String> = owner.keys().cloned().collect();
    let Some(layout) = WeightLayout::of(&names) else {
        let some: Vec<String> = names.iter().take(5).map(|name| shown(name)).collect();
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

/// In bytes; that of a model of thousands of tensors has a few hundred thousand.
const LONGEST_INDEX: u64 = 1 << 26;

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: DistinctMap<String, false>,
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

/// Which of the files, by its place, an index says that a tensor is in.
type Claims = BTreeMap<String, usize>;

fn open(path: &Path) -> Result<(Vec<WeightFile>, Option<Claims>), ModelsError> {
    if path.is_dir() {
        let found = NAMES.iter().map(|name| path.join(name));
        let Some(file) = found.into_iter().find(|file| file.is_file()) else {
            let expected = format!("a folder with {}", NAMES.join(", or "));
            return Err(ModelsError::weights(path, expected, "none of them"));
        };
        return open(&file);
    }
    if !path.to_string_lossy().ends_with(".index.json") {
        return Ok((vec![WeightFile::open(path)?], None));
    }
    let refuse = |found: String| {
        ModelsError::weights(path, "the index of files of weights (weight_map)", found)
    };
    let mut text = Vec::new();
    open_plain_file(path)
        .and_then(|file| file.take(LONGEST_INDEX + 1).read_to_end(&mut text))
        .map_err(|error| refuse(error.to_string()))?;
    if text.len() as u64 > LONGEST_INDEX {
        return Err(refuse(format!("more than {LONGEST_INDEX} bytes")));
    }
    let index: Index = serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
    let DistinctMap(map) = index.weight_map;
    let folder = path.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&String> = map.values().collect();
    // In the folder of the index, wherever the names would lead.
    if let Some(name) = names.iter().find(|name| !is_file_name(name)) {
        let found = format!("{:?}, which is no file's name", shown(name));
        return Err(refuse(found));
    }
    let files = names
        .iter()
        .map(|name| WeightFile::open(&folder.join(name)))
        .collect::<Result<_, _>>()?;
    let place: BTreeMap<&String, usize> = names.into_iter().zip(0..).collect();
    let claims = map
        .iter()
        .map(|(tensor, name)| (tensor.clone(), place[name]));
    Ok((files, Some(claims.collect())))
}

/// That of a file right in a folder, on every system.
fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let plain = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    plain && parts.next().is_none() && !name.contains(odd)
}

/// Refuses files that are not those of the index.
fn check_claims(path: &Path, claims: &Claims, owner: &Claims) -> Result<(), ModelsError> {
    let wrong = claims
        .iter()
        .find(|(name, place)| owner.get(*name) != Some(place));
    let unknown = owner.keys().find(|name| !claims.contains_key(*name));
    let found = match (wrong, unknown) {
        (Some((name, _)), _) => format!("tensor `{}` not in the file it names", shown(name)),
        (None, Some(name)) => format!("tensor `{}` in a file and not in it", shown(name)),
        (None, None) => return Ok(()),
    };
    Err(ModelsError::weights(
        path,
        "the index of the files beside it",
        found,
    ))
}
