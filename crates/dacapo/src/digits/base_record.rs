use std::{collections::BTreeMap, path::Path};

use burn::{
    record::{PrecisionSettings, Record},
    tensor::{TensorData, backend::Backend},
};
use burn_flex::Flex;
use dacapo_record::{FsStorage, commit, open, read_sealed, seal};
use dacapo_trainer::{TrainerError, from_payload, to_payload};
use serde::{Deserialize, Serialize};

use crate::CliError;

/// A pretrained base: the weights that adapters sit on, in a file of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseRecord {
    /// `[model]` as JSON: kind and sizes, which a user's configuration must equal.
    pub architecture: String,
    /// The classes that the base was trained on.
    pub classes: Vec<u8>,
    /// How it was made.
    pub provenance: String,
    /// Every tensor by path.
    pub tensors: BTreeMap<String, TensorData>,
}

impl<B: Backend> Record<B> for BaseRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self::Item<S> {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self::Item<S>, _device: &B::Device) -> Self {
        item
    }
}

impl BaseRecord {
    /// The base that is built into the program.
    pub const EMBEDDED: &'static [u8] = include_bytes!("../../assets/base.mpk");

    /// Reads the embedded base.
    ///
    /// # Errors
    /// A damaged program file.
    pub fn embedded() -> Result<Self, CliError> {
        let path = Path::new("(embedded base)");
        Ok(from_payload(path, open(path, Self::EMBEDDED)?)?)
    }

    /// Reads a base file.
    ///
    /// # Errors
    /// A file that is missing, damaged or no base.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let payload = read_sealed(&FsStorage, path)?;
        let no_base = |leaf: &str, found: &str| {
            CliError::input(
                format!(
                    "model.base: {} is no base: `{leaf}` is {found}",
                    path.display()
                ),
                "Give \"embedded\", \"random\", or a file that `dacapo pretrain --save FILE` wrote",
            )
        };
        let base: Self = from_payload(path, &payload).map_err(|error| match error {
            TrainerError::State {
                path: leaf, found, ..
            } => no_base(&leaf, &found),
            other => other.into(),
        })?;
        // The checksum says that the file is as it was written, not that it was written rightly.
        for (name, data) in &base.tensors {
            let values = data.as_slice::<f32>().unwrap_or_default();
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let leaf = format!("tensors.{}", name.escape_debug());
                return Err(no_base(&leaf, &format!("{} at position {at}", values[at])));
            }
        }
        Ok(base)
    }

    /// Writes a base file, atomically.
    ///
    /// # Errors
    /// A failure to write.
    pub fn write(self, path: &Path) -> Result<(), CliError> {
        let payload = to_payload::<Flex, _>(self)?;
        Ok(commit(&FsStorage, path, &seal(payload))?)
    }
}
