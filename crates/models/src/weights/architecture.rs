use std::collections::BTreeSet;
use std::path::Path;

use super::Sources;
use crate::{ClipConfig, ModelsError, clip};

/// A model with published weights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Architecture<'a> {
    /// A [`Clip`](crate::Clip).
    Clip(&'a ClipConfig),
}

impl<'a> From<&'a ClipConfig> for Architecture<'a> {
    fn from(config: &'a ClipConfig) -> Self {
        Self::Clip(config)
    }
}

impl Architecture<'_> {
    pub(super) fn validate(self) -> Result<(), ModelsError> {
        match self {
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
            Self::Clip(config) => clip::weights::sources(config, path, names),
        }
    }
}
