use std::collections::BTreeSet;
use std::path::Path;

use super::Sources;
use crate::{BertConfig, ClipConfig, ModelsError, bert, clip};

/// A model with published weights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Architecture<'a> {
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
