use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use dacapo_peft::{LayerKind, PeftAdapter, PeftFiles, PeftLayer};
use dacapo_trainer::{ImportSource, Imported};

use super::{Head, PublishedModel};
use crate::CliError;

/// An adapter of PEFT's in its folder, for a model of ours.
pub(crate) struct PeftFolder {
    pub(super) path: PathBuf,
    pub(super) adapter: PeftAdapter,
    /// The run's paths of the adapted layers, and what transformers calls them.
    pub(super) modules: BTreeMap<String, String>,
    /// What takes the place of the base's and is trained on (`modules_to_save`), by the run's paths.
    pub(super) saved: BTreeMap<String, TensorData>,
    head: Option<Head>,
    /// BLAKE3 of the files, by name.
    hashes: BTreeMap<String, String>,
}

impl PeftFolder {
    /// Reads the adapter in `folder`, and the head beside it, if there is one.
    ///
    /// # Errors
    /// Those of [`PeftAdapter::read`]; a layer that `model` does not have; tensors that replace the
    /// base's and are not its, or of a layer that is adapted besides.
    pub(crate) fn read(folder: &Path, model: &PublishedModel) -> Result<Self, CliError> {
        let adapter = PeftAdapter::read(folder)?;
        let saved = saved(folder, &adapter, model)?;
        let mut modules = BTreeMap::new();
        for (module, layer) in adapter.layers() {
            let path = model.path_of(module, layer.kind()).ok_or_else(|| {
                let (kind, next) = match layer.kind() {
                    LayerKind::Linear => ("linear layer", ANOTHER_MODEL),
                    LayerKind::Conv { .. } => ("convolution of this kernel", ANOTHER_MODEL),
                    LayerKind::Embedding => ("embedding that can be adapted", MERGE),
                };
                CliError::input(
                    format!(
                        "{}: the adapter is for the layer `{module}`, and the model of the \
                         configuration has no {kind} that transformers calls so",
                        folder.display()
                    ),
                    next,
                )
            })?;
            if let Some(other) = modules.insert(path, module.clone()) {
                return Err(CliError::input(
                    format!(
                        "{}: `{module}` and `{other}` are one layer of the model",
                        folder.display()
                    ),
                    "Save the adapter again with PEFT",
                ));
            }
        }
        let mut hashes = BTreeMap::new();
        let weights = match folder.join(PeftFiles::WEIGHTS).exists() {
            true => PeftFiles::WEIGHTS,
            false => PeftFiles::OLD_WEIGHTS,
        };
        for name in [PeftFiles::CONFIG, weights] {
            let path = folder.join(name);
            let mut hasher = blake3::Hasher::new();
            let hashed = File::open(&path).and_then(|file| {
                hasher.update_reader(file)?;
                Ok(hasher.finalize().to_hex().to_string())
            });
            let hash = hashed.map_err(|error| unreadable(&path, &error))?;
            hashes.insert(name.to_owned(), hash);
        }
        let path = folder.join(Head::FILE);
        let head = match path.is_file() {
            false => None,
            true => {
                let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                let hash = blake3::hash(&bytes).to_hex().to_string();
                hashes.insert(Head::FILE.to_owned(), hash);
                Some(Head::from_bytes(&path.display().to_string(), &bytes)?)
            }
        };
        Ok(Self {
            path: folder.to_owned(),
            adapter,
            modules,
            saved,
            head,
            hashes,
        })
    }

    /// What a run begins with whose trainable tensors were `initial`: the adapter in the place of its
    /// own, with fresh moments.
    ///
    /// # Errors
    /// A head that the run does not train.
    pub(crate) fn imported(
        self,
        initial: BTreeMap<String, TensorData>,
    ) -> Result<Imported, CliError> {
        let mut replaced =
            vec!["the optimizer's state: PEFT saves none; moments and steps begin anew".to_owned()];
        let base = self
            .adapter
            .config()
            .settings()
            .base_model_name_or_path
            .as_ref();
        if let Some(base) = base {
            replaced.push(format!(
                "the base: what the adapter calls {base:?} is the weights that the configuration \
                 names"
            ));
        }
        let mut adapters = initial;
        if let Some(head) = &self.head {
            for (path, data) in head.tensors() {
                if !adapters.contains_key(&path) {
                    return Err(CliError::input(
                        format!(
                            "{} has a {}, and {path} is not trained",
                            self.path.display(),
                            Head::FILE
                        ),
                        "Set adapt.also_train = [\"head.*\"] in the configuration of a sentence run, \
                         or take that file away",
                    ));
                }
                adapters.insert(path, data);
            }
        } else if adapters.contains_key("head.weight") {
            replaced.push("the head: it begins as in a new run".to_owned());
        }
        // That they are trained is what the section was checked for.
        adapters.extend(self.saved);
        let (_, mut layers, _) = self.adapter.into_parts();
        for (path, module) in self.modules {
            let layer = layers.remove(&module).expect("a layer for each module");
            for (part, data) in tensors(layer) {
                adapters.insert(format!("{path}.adapter.{part}"), data);
            }
        }
        Ok(Imported {
            source: ImportSource {
                format: "peft".to_owned(),
                epoch: 0,
                files: self.hashes,
                replaced,
            },
            adapters,
            optimizer: None,
            metrics: Vec::new(),
        })
    }

    /// The run's paths of the layers that it adapts.
    pub(super) fn paths(&self) -> BTreeSet<&str> {
        self.modules.keys().map(String::as_str).collect()
    }
}

const MERGE: &str =
    "Merge the adapter with PEFT's merge_and_unload, and begin with the merged weights";
const ANOTHER_MODEL: &str = "Give a configuration of the model that the adapter was trained on";

/// The tensors that an adapter brings along, as a run of `model` has them.
fn saved(
    folder: &Path,
    adapter: &PeftAdapter,
    model: &PublishedModel,
) -> Result<BTreeMap<String, TensorData>, CliError> {
    let refuse = |name: &str, why: &str| {
        CliError::input(
            format!(
                "{}: the adapter brings `{name}` along, which takes the place of the base's \
                 (modules_to_save, or an embedding that is adapted){why}",
                folder.display()
            ),
            MERGE,
        )
    };
    let mut saved = BTreeMap::new();
    for (name, tensor) in adapter.saved() {
        let module = name.rsplit_once('.').map(|(module, _)| module);
        if module.is_some_and(|module| adapter.layers().contains_key(module)) {
            return Err(refuse(name, ", of a layer that has an adapter besides"));
        }
        let (path, data) = model.tensor_of(name, tensor).ok_or_else(|| {
            let shape = tensor.shape();
            refuse(
                name,
                &format!(
                    ", and the model of the configuration has no tensor of the shape {shape:?} \
                     that transformers calls so"
                ),
            )
        })?;
        if saved.insert(path.clone(), data).is_some() {
            return Err(refuse(name, &format!(", and so does another, for {path}")));
        }
    }
    Ok(saved)
}

/// Those of an adapter here.
fn tensors(layer: PeftLayer) -> Vec<(&'static str, TensorData)> {
    let (a, b, magnitude) = layer.into_parts();
    let [a, b] = [a, b].map(|factor| {
        let shape = [factor.rows(), factor.columns()];
        TensorData::new(factor.into_values(), shape)
    });
    let magnitude = magnitude.map(|values| {
        let shape = [values.len()];
        ("magnitude", TensorData::new(values, shape))
    });
    [("lora_a", a), ("lora_b", b)]
        .into_iter()
        .chain(magnitude)
        .collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::input(
        format!("cannot read {}: {error}", path.display()),
        "Make the file readable",
    )
}
