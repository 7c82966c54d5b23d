use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::Dtype;

use super::safetensors_file::SafetensorsFile;
use super::torch_file::TorchFile;
use crate::ModelsError;

/// A file of named tensors, of which tensors are read one at a time.
#[derive(Debug)]
pub(super) enum WeightFile {
    Safetensors(SafetensorsFile),
    Torch(TorchFile),
}

impl WeightFile {
    /// By the end of its name: `.pt`, `.pth` and `.bin` are PyTorch's.
    pub fn open(path: &Path) -> Result<Self, ModelsError> {
        let end = path.extension().unwrap_or_default();
        match ["pt", "pth", "bin"].iter().any(|torch| end == *torch) {
            true => Ok(Self::Torch(TorchFile::open(path)?)),
            false => Ok(Self::Safetensors(SafetensorsFile::open(path)?)),
        }
    }

    pub fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Safetensors(file) => file.names(),
            Self::Torch(file) => file.names(),
        }
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Safetensors(file) => file.shape(name),
            Self::Torch(file) => file.shape(name),
        }
    }

    /// The values of a tensor, as f32.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, ModelsError> {
        match self {
            Self::Safetensors(file) => file.read(name),
            Self::Torch(file) => file.read(name),
        }
    }

    /// Type and shape of a tensor.
    pub fn info(&self, name: &str) -> Result<(Dtype, Vec<usize>), ModelsError> {
        match self {
            Self::Safetensors(file) => file.info(name),
            Self::Torch(file) => file.info(name),
        }
    }

    /// The bytes of a tensor, as they are.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ModelsError> {
        match self {
            Self::Safetensors(file) => file.bytes(name),
            Self::Torch(file) => file.bytes(name),
        }
    }

    /// The remarks of `.safetensors`.
    pub fn metadata(&self) -> Option<BTreeMap<String, String>> {
        match self {
            Self::Safetensors(file) => file.metadata().cloned(),
            // What readers of that format ask for.
            Self::Torch(_) => Some(BTreeMap::from([("format".into(), "pt".into())])),
        }
    }
}
