use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use safetensors::Dtype;
use serde::Deserialize;

use super::weight_file::WeightFile;
use super::{DistinctMap, Sources};
use crate::ModelsError;
use crate::plain_file::read_plain_file;
use crate::shown::shown;

/// The files of a model's weights, of which tensors are read one at a time.
#[derive(Debug)]
pub(super) struct WeightSet {
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Which of the files a tensor is in.
    owner: Places,
}

/// In bytes; that of a model of thousands of tensors has a few hundred thousand.
const LONGEST_INDEX: u64 = 1 << 26;

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: DistinctMap<String>,
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

/// The place of a tensor's file among the files.
type Places = BTreeMap<String, usize>;

impl WeightSet {
    /// A file, or those of an index, or those in a folder.
    pub fn open(path: &Path) -> Result<Self, ModelsError> {
        let (files, claims) = open(path)?;
        let mut owner = Places::new();
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
        Ok(Self {
            path: path.to_owned(),
            files,
            owner,
        })
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.owner.keys().cloned().collect()
    }

    /// Refuses other tensors than those of `sources`, and other shapes.
    pub fn check(&self, sources: &Sources) -> Result<(), ModelsError> {
        let Sources { rules, unread } = sources;
        let wanted: BTreeSet<&String> = rules.iter().map(|rule| &rule.source).collect();
        let names: BTreeSet<&String> = self.owner.keys().collect();
        let list = |names: &BTreeSet<&String>, but: &BTreeSet<&String>| -> Vec<String> {
            let rest = names.difference(but).copied();
            rest.filter(|name| !unread.contains(*name))
                .cloned()
                .collect()
        };
        let (missing, unexpected) = (list(&wanted, &names), list(&names, &wanted));
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(ModelsError::WeightNames {
                path: self.path.clone(),
                missing,
                unexpected,
            });
        }
        for rule in rules {
            let found = self.files[self.owner[&rule.source]].shape(&rule.source);
            if found != Some(rule.source_shape.as_slice()) {
                return Err(ModelsError::weights(
                    &self.path,
                    format!("tensor `{}` of shape {:?}", rule.source, rule.source_shape),
                    format!(
                        "{:?}: weights of another architecture",
                        found.unwrap_or(&[])
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The values of a tensor, which the files have, as f32.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, ModelsError> {
        self.files[self.owner[name]].read(name)
    }

    /// Type and shape of a tensor, which the files have.
    pub fn info(&self, name: &str) -> Result<(Dtype, Vec<usize>), ModelsError> {
        self.files[self.owner[name]].info(name)
    }

    /// The bytes of a tensor, which the files have, as they are.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ModelsError> {
        self.files[self.owner[name]].bytes(name)
    }

    /// The remarks in all of its files.
    pub fn metadata(&self) -> Result<Option<BTreeMap<String, String>>, ModelsError> {
        let mut all: Option<BTreeMap<String, String>> = None;
        for metadata in self.files.iter().filter_map(WeightFile::metadata) {
            for (key, text) in metadata {
                let known = all
                    .get_or_insert_default()
                    .insert(key.clone(), text.clone());
                if known.is_some_and(|known| known != text) {
                    let found = format!("another `{}` in one of its files", shown(&key));
                    return Err(ModelsError::weights(
                        &self.path,
                        "the same remarks in all files",
                        found,
                    ));
                }
            }
        }
        Ok(all)
    }
}

fn open(path: &Path) -> Result<(Vec<WeightFile>, Option<Places>), ModelsError> {
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
    let text = read_plain_file(path, LONGEST_INDEX).map_err(|error| refuse(error.to_string()))?;
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
fn check_claims(path: &Path, claims: &Places, owner: &Places) -> Result<(), ModelsError> {
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
