use std::collections::BTreeSet;
use std::path::Path;

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

    /// The weights that are those of linear layers here and in transformers.
    fn linears(self) -> impl Iterator<Item = TensorRule> {
        let rules = match self {
            Self::Bert(config) => bert::weights::hugging_face_rules(config),
            Self::Clip(config) => clip::weights::hugging_face_rules(config),
        };
        let linear = |rule: &TensorRule| rule.take == Take::Turned && rule.source_shape.len() == 2;
        rules.into_iter().filter(linear)
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
