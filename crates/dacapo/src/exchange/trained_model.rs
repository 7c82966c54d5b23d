use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{module::AutodiffModule, tensor::TensorData};
use dacapo_dora::DoraTargets;
use dacapo_models::write_merged_weights;
use dacapo_rng::RngHub;
use dacapo_things::Targets;
use dacapo_trainer::{STREAMS, TrainerRecord, base_hash, load_tensors, module_tensors};

use super::{Head, PublishedModel, TrainedLayer};
use crate::{
    CliError, clip_hba,
    compute::Cpu,
    config::RunConfig,
    sentences::{self, SentenceRegressor},
    setup::adapted,
};

/// A published model with what a run has trained, on the host: the base that the run began from,
/// checked by its hash, and the run's tensors over it. Everything is computed by the CPU in f32.
pub(crate) struct TrainedModel {
    pub(crate) model: PublishedModel,
    weights: PathBuf,
    /// Adapted layers by their stable path in the published model.
    pub(crate) layers: BTreeMap<String, TrainedLayer>,
    /// What was trained besides, likewise.
    pub(crate) others: BTreeMap<String, TensorData>,
    /// That of a sentence run.
    pub(crate) head: Option<Head>,
}

/// The head's path in a sentence run.
const HEAD: &str = "head";

impl TrainedModel {
    /// The model of a run of `config` that `record` was taken from.
    ///
    /// # Errors
    /// A model that others do not know, files that are not there, another base than the run's.
    pub(crate) fn rebuild(config: &RunConfig, record: &TrainerRecord) -> Result<Self, CliError> {
        let model = PublishedModel::of(config)?;
        let weights = PublishedModel::weights(config)?.to_owned();
        let mut rng = RngHub::new(config.run.seed, STREAMS);
        let device = Default::default();
        let (layers, head) = match (&config.clip, &config.sentences) {
            (Some(clip), _) => {
                let base = clip_hba::model::<Cpu>(clip, &mut rng, &device)?;
                (trained(base, config, record, &mut rng)?.1, None)
            }
            (_, Some(section)) => {
                let encoder = sentences::encoder::<Cpu>(section, &mut rng, &device)?;
                let means = head_means(config, record)?;
                let base = SentenceRegressor::new(encoder, &means, &device);
                let (model, mut layers) = trained(base, config, record, &mut rng)?;
                layers.remove(HEAD);
                (layers, Some(Head::of(&model.head)?))
            }
            (None, None) => unreachable!("PublishedModel::of needs one of them"),
        };
        let own = |path: &str| path.strip_prefix(model.prefix()).map(str::to_owned);
        let others = record.adapters.iter();
        let others = others.filter(|(path, _)| !path.contains(".adapter."));
        let others = others.filter_map(|(path, data)| Some((own(path)?, data.clone())));
        let layers = layers.into_iter();
        let layers = layers.filter_map(|(path, layer)| Some((own(&path)?, layer)));
        Ok(Self {
            others: others.collect(),
            layers: layers.collect(),
            weights,
            head,
            model,
        })
    }

    /// The published weights with every trained tensor in its place, W' for those of adapted layers:
    /// a file of safetensors. What was not trained is in it byte for byte.
    ///
    /// # Errors
    /// Those of [`write_merged_weights`].
    pub(crate) fn merged_weights(&self) -> Result<Vec<u8>, CliError> {
        let layers = self.layers.iter();
        let merged = layers.map(|(path, layer)| (format!("{path}.weight"), layer.merged.clone()));
        let mut replaced = self.others.clone();
        replaced.extend(merged);
        let mut bytes = Vec::new();
        write_merged_weights(
            &self.weights,
            self.model.architecture(),
            &replaced,
            &mut bytes,
        )?;
        Ok(bytes)
    }

    /// Where the published weights are.
    pub(crate) fn weights(&self) -> &Path {
        &self.weights
    }
}

type Layers = BTreeMap<String, TrainedLayer>;

/// A base with the run's adapters and tensors, and its adapted layers by the run's paths.
fn trained<M: DoraTargets<Cpu> + AutodiffModule<Cpu>>(
    base: M,
    config: &RunConfig,
    record: &TrainerRecord,
    rng: &mut RngHub,
) -> Result<(M, Layers), CliError> {
    let model = adapted(base, &config.adapt, rng)?;
    let mut tensors = module_tensors(&model.valid());
    tensors.extend(record.adapters.clone());
    tensors.extend(record.buffers.clone());
    let model = load_tensors(model, "checkpoint", &tensors)?;
    let found = base_hash(&model.valid(), |path| !record.adapters.contains_key(path));
    let expected = &record.identity.base_hash;
    if found != *expected {
        return Err(CliError::input(
            format!(
                "the base is another than the run's: expected the hash {expected}, found {found}"
            ),
            "Put back the weights that config.toml names as they were when the run began; of a \
             run on a GPU with adapt.init = \"pissa\" or \"olora\" the base has that GPU's last \
             bits and cannot be made again here",
        ));
    }
    let mut layers = Layers::new();
    let model = model.map_linears(&mut |path, layer| {
        if let Some(trained) = TrainedLayer::of(&layer) {
            layers.insert(path.to_owned(), trained);
        }
        Ok(layer)
    })?;
    Ok((model, layers))
}

/// What the head's bias began as. It follows from the data, which are read only if it matters.
fn head_means(config: &RunConfig, record: &TrainerRecord) -> Result<Vec<f32>, CliError> {
    let trained = |part| record.adapters.contains_key(&format!("{HEAD}.{part}"));
    if trained("weight") && trained("bias") {
        return Ok(vec![0.0; Targets::DIMENSIONS]);
    }
    Ok(sentences::task::<Cpu>(config, &Default::default())?.target_means())
}
