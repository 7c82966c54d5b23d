use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, ErrorKind};
use std::path::Path;

use crate::check_adapter::check_adapter;
use crate::plain_file::open_plain_file;
use crate::source::{PthSource, SafetensorsSource};
use crate::{MagnitudeKey, PeftConfig, PeftError, PeftFiles, PeftLayer, Tensor, read, write};

/// A LoRA or DoRA adapter: its configuration agrees with its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct PeftAdapter {
    config: PeftConfig,
    layers: BTreeMap<String, PeftLayer>,
    saved: BTreeMap<String, Tensor>,
}

impl PeftAdapter {
    /// An adapter of `layers` by the path of the module that each adapts, and of `saved` tensors,
    /// which replace the base's, by their names in the base. Names are those of the base model,
    /// without `base_model.model.`.
    ///
    /// # Errors
    /// [`PeftError::Empty`]; a layer that does not agree with `config`
    /// ([`PeftError::WrongRank`], [`PeftError::MissingMagnitude`],
    /// [`PeftError::UnexpectedMagnitude`], [`PeftError::LayerWithoutTarget`]) or whose name is
    /// none ([`PeftError::ModuleName`]); a module that `config` names and that is missing
    /// ([`PeftError::TargetWithoutLayer`], [`PeftError::SavedWithoutTensor`]); a saved tensor
    /// that is neither of a module in `modules_to_save` nor of an adapted layer
    /// ([`PeftError::UnknownTensor`]).
    pub fn new(
        config: PeftConfig,
        layers: BTreeMap<String, PeftLayer>,
        saved: BTreeMap<String, Tensor>,
    ) -> Result<Self, PeftError> {
        check_adapter(&config, &layers, &saved)?;
        Ok(Self {
            config,
            layers,
            saved,
        })
    }

    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder, or
    /// `adapter_model.bin` if the latter is not there, as PEFT does.
    ///
    /// # Errors
    /// Those of [`PeftAdapter::from_bytes`], and [`PeftError::Io`], [`PeftError::NoWeights`],
    /// [`PeftError::Pth`].
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, PeftError> {
        let folder = folder.as_ref();
        let path = folder.join(PeftFiles::CONFIG);
        let config = read::config(&path).map_err(|error| error.in_file(&path))?;
        let path = folder.join(PeftFiles::WEIGHTS);
        if let Some(file) = find(&path).map_err(|error| error.in_file(&path))? {
            return SafetensorsSource::open(file)
                .and_then(|source| read::adapter(config, source))
                .map_err(|error| error.in_file(&path));
        }
        let path = folder.join(PeftFiles::OLD_WEIGHTS);
        if find(&path).map_err(|error| error.in_file(&path))?.is_some() {
            return PthSource::open(&path)
                .and_then(|source| read::adapter(config, source))
                .map_err(|error| error.in_file(&path));
        }
        Err(PeftError::NoWeights.in_file(folder))
    }

    /// Reads the bytes of `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// Those of [`PeftConfig::from_json`], [`PeftLayer::new`], [`Tensor::new`] and
    /// [`PeftAdapter::new`], and [`PeftError::Damaged`], [`PeftError::Dtype`],
    /// [`PeftError::MixedPrefixes`], [`PeftError::DuplicateTensor`], [`PeftError::MissingPair`].
    pub fn from_bytes(config: &[u8], weights: &[u8]) -> Result<Self, PeftError> {
        let config = PeftConfig::from_json(config).map_err(|error| error.at(PeftFiles::CONFIG))?;
        SafetensorsSource::open(Cursor::new(weights))
            .and_then(|source| read::adapter(config, source))
            .map_err(|error| error.at(PeftFiles::WEIGHTS))
    }

    /// The adapter as files that PEFT reads: f32 values, names with `base_model.model.`, the same
    /// bytes for the same adapter.
    ///
    /// # Errors
    /// [`PeftError::TooLarge`]: names and shapes take more than the 100 MB that the format allows.
    pub fn to_files(&self, magnitude: MagnitudeKey) -> Result<PeftFiles, PeftError> {
        Ok(PeftFiles {
            config: self.config.to_json(),
            weights: write::weights(&self.layers, &self.saved, magnitude)?,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &PeftConfig {
        &self.config
    }

    /// The adapted layers by the paths of their modules.
    pub fn layers(&self) -> &BTreeMap<String, PeftLayer> {
        &self.layers
    }

    /// The tensors that replace the base's, by their names in the base.
    pub fn saved(&self) -> &BTreeMap<String, Tensor> {
        &self.saved
    }

    /// Configuration, layers and saved tensors.
    pub fn into_parts(
        self,
    ) -> (
        PeftConfig,
        BTreeMap<String, PeftLayer>,
        BTreeMap<String, Tensor>,
    ) {
        (self.config, self.layers, self.saved)
    }
}

/// Opens a file; nothing if there is none of that name.
fn find(path: &Path) -> Result<Option<File>, PeftError> {
    match open_plain_file(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
