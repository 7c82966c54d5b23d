use std::path::Path;

use burn::tensor::TensorData;
use dacapo_models::{Architecture, BertConfig, ClipConfig};
use dacapo_peft::{LayerKind, Tensor};

use crate::{
    CliError,
    config::{ModelKind, RunConfig},
    sentences,
};

/// A model that is published under names that other programs know.
pub(crate) enum PublishedModel {
    /// transformers' `CLIPModel`.
    Clip(ClipConfig),
    /// transformers' `BertModel`, the encoder of a sentence run.
    Bert(BertConfig),
}

/// What a BERT's modules are called within a larger model: as in its published weights.
const WITHIN: [&str; 2] = ["bert.", "0.auto_model."];

impl PublishedModel {
    /// The model of `config`.
    ///
    /// # Errors
    /// One that only this program knows.
    pub(crate) fn of(config: &RunConfig) -> Result<Self, CliError> {
        match (config.model.kind, &config.clip, &config.sentences) {
            (ModelKind::Clip, Some(clip), _) => Ok(Self::Clip(clip.model())),
            (ModelKind::Bert, _, Some(section)) => Ok(Self::Bert(sentences::sizes(section)?)),
            (kind @ (ModelKind::Clip | ModelKind::Bert), ..) => Err(CliError::input(
                format!("model.kind = {kind:?} lacks its section"),
                "Start from examples/clip_hba.toml or examples/minilm_things.toml",
            )),
            (ModelKind::Vit | ModelKind::ConvNet, ..) => Err(CliError::input(
                "the built-in job's own model is known to no other program",
                "Use a run of model.kind = \"clip\" or \"bert\"",
            )),
        }
    }

    /// Where the published weights are.
    ///
    /// # Errors
    /// Weights that were drawn, which nobody else has.
    pub(crate) fn weights(config: &RunConfig) -> Result<&Path, CliError> {
        let clip = config.clip.iter().map(|clip| &clip.weights);
        let sentences = config.sentences.iter().map(|section| &section.weights);
        match clip.chain(sentences).next() {
            Some(path) if path != "random" => Ok(Path::new(path)),
            _ => Err(CliError::input(
                "the run's base has random weights, which no other program has",
                "Use a run that began from published weights",
            )),
        }
    }

    pub(crate) fn architecture(&self) -> Architecture<'_> {
        match self {
            Self::Clip(config) => config.into(),
            Self::Bert(config) => config.into(),
        }
    }

    /// What stands before its stable paths in a run's.
    pub(crate) fn prefix(&self) -> &'static str {
        match self {
            Self::Clip(_) => "",
            Self::Bert(_) => "encoder.",
        }
    }

    /// The run's path of the layer of this kind that transformers calls `module`.
    pub(crate) fn path_of(&self, module: &str, kind: &LayerKind) -> Option<String> {
        let (architecture, module) = (self.architecture(), self.own_name(module));
        let path = match kind {
            LayerKind::Linear => architecture.path_of_hugging_face(module),
            LayerKind::Conv { kernel } => {
                architecture.path_of_hugging_face_convolution(module, kernel)
            }
            LayerKind::Embedding => None,
        };
        path.map(|path| format!("{}{path}", self.prefix()))
    }

    /// The run's path of the tensor that transformers calls `name`, and its values as a run has them;
    /// nothing if the model has none of this name and shape.
    pub(crate) fn tensor_of(&self, name: &str, tensor: &Tensor) -> Option<(String, TensorData)> {
        let (name, values) = (self.own_name(name), tensor.values().to_vec());
        let (path, data) = self
            .architecture()
            .from_hugging_face(name, tensor.shape(), values)?;
        Some((format!("{}{path}", self.prefix()), data))
    }

    /// A name without that of the larger model that it may be within.
    fn own_name<'a>(&self, name: &'a str) -> &'a str {
        let own = match self {
            Self::Clip(_) => None,
            Self::Bert(_) => WITHIN.iter().find_map(|prefix| name.strip_prefix(prefix)),
        };
        own.unwrap_or(name)
    }
}
