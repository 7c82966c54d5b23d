use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::TensorData;

use super::{Sources, Take, TensorRule};
use crate::{BertConfig, ClipConfig, ModelsError, bert, clip};

/// A model with published weights.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Architecture<'a> {
    /// A [`Bert`](crate::Bert).
    Bert(&'a BertConfig),
    /// A [`Clip`](crate::Clip).
    Clip(&'a ClipConfig),
}

impl<'a> From<&'a BertConfig> for Architecture<'a> {
    fn from(config: &'a BertConfig) -> Self {
        Self::Bert(config)
    }
}

impl<'a> From<&'a ClipConfig> for Architecture<'a> {
    fn from(config: &'a ClipConfig) -> Self {
        Self::Clip(config)
    }
}

impl Architecture<'_> {
    /// What transformers' `BertModel` or `CLIPModel` calls the linear layer at this stable path:
    /// `blocks.0.attn.query` is `encoder.layer.0.attention.self.query`.
    ///
    /// `None` if there is none, or if it is no linear layer there: CLIP's `visual.patch_embed`
    /// is a convolution.
    pub fn hugging_face_module(self, path: &str) -> Option<String> {
        let weight = format!("{path}.weight");
        let rule = self.linears().find(|rule| rule.ours == weight)?;
        without_weight(&rule.source)
    }

    /// The stable path of what transformers calls `module`: the inverse of
    /// [`hugging_face_module`](Self::hugging_face_module).
    pub fn path_of_hugging_face(self, module: &str) -> Option<String> {
        let weight = format!("{module}.weight");
        let rule = self.linears().find(|rule| rule.source == weight)?;
        without_weight(&rule.ours)
    }

    /// What transformers' `CLIPModel` calls the linear layer at this stable path that is a convolution
    /// there, and the size of its kernel. No pixel lies under two places of the kernel: weights, and
    /// adapters, are the same numbers in the same order.
    pub fn hugging_face_convolution(self, path: &str) -> Option<(String, Vec<usize>)> {
        let weight = format!("{path}.weight");
        let rule = self.convolutions().find(|rule| rule.ours == weight)?;
        Some((
            without_weight(&rule.source)?,
            rule.source_shape[2..].to_vec(),
        ))
    }

    /// The stable path of the convolution that transformers calls `module`, if its kernel is of this
    /// size: the inverse of [`hugging_face_convolution`](Self::hugging_face_convolution).
    pub fn path_of_hugging_face_convolution(
        self,
        module: &str,
        kernel: &[usize],
    ) -> Option<String> {
        let weight = format!("{module}.weight");
        let mut rules = self.convolutions();
        let rule = rules.find(|rule| rule.source == weight && rule.source_shape[2..] == *kernel)?;
        without_weight(&rule.ours)
    }

    /// The tensor that transformers calls `name`, of this shape there, by its stable path and as it is
    /// here.
    ///
    /// `None` if there is none of this name and shape, or if only a part of it is here, as of a BERT's
    /// `token_type_embeddings`.
    ///
    /// # Panics
    /// If there are not as many values as the shape has.
    pub fn from_hugging_face(
        self,
        name: &str,
        shape: &[usize],
        values: Vec<f32>,
    ) -> Option<(String, TensorData)> {
        let mut rules = self.rules().into_iter();
        let rule = rules.find(|rule| rule.source == name && rule.source_shape == *shape)?;
        match rule.take {
            Take::All | Take::Turned => {
                let data = TensorData::new(rule.apply(values), rule.shape.clone());
                Some((rule.ours, data))
            }
            Take::First | Take::Third(_) | Take::ThirdTurned(_) => None,
        }
    }

    /// Of its tensors as transformers has them.
    fn rules(self) -> Vec<TensorRule> {
        match self {
            Self::Bert(config) => bert::weights::hugging_face_rules(config),
            Self::Clip(config) => clip::weights::hugging_face_rules(config),
        }
    }

    /// The weights that are those of linear layers here and in transformers.
    fn linears(self) -> impl Iterator<Item = TensorRule> {
        let linear = |rule: &TensorRule| rule.take == Take::Turned && rule.source_shape.len() == 2;
        self.rules().into_iter().filter(linear)
    }

    /// Those of linear layers here and of convolutions in transformers.
    fn convolutions(self) -> impl Iterator<Item = TensorRule> {
        let convolution =
            |rule: &TensorRule| rule.take == Take::Turned && rule.source_shape.len() == 4;
        self.rules().into_iter().filter(convolution)
    }

    pub(super) fn validate(self) -> Result<(), ModelsError> {
        match self {
            Self::Bert(config) => config.validate(),
            Self::Clip(config) => config.validate(),
        }
    }

    /// Where its tensors are in the file at `path`, which has tensors of these names.
    pub(super) fn sources(
        self,
        path: &Path,
        names: &BTreeSet<String>,
    ) -> Result<Sources, ModelsError> {
        match self {
            Self::Bert(config) => bert::weights::sources(config, path, names),
            Self::Clip(config) => clip::weights::sources(config, path, names),
        }
    }
}

fn without_weight(name: &str) -> Option<String> {
    name.strip_suffix(".weight").map(str::to_owned)
}
