use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dacapo_pth::{Dtype, PthError, PthFile, Tensor};

use super::floats::Floats;
use crate::ModelsError;
use crate::shown::shown;

/// A file of `torch.save` or a TorchScript archive, of which tensors are read one at a time
/// and no code is executed.
#[derive(Debug)]
pub(super) struct TorchFile {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl TorchFile {
    pub fn open(path: &Path) -> Result<Self, ModelsError> {
        let refuse = |error: PthError| refuse(path, "a file of torch.save", &error);
        let file = PthFile::open(path).map_err(refuse)?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in file.root().tensors() {
            // A dict in a dict may be called as a tensor beside it is.
            if tensors.insert(name.clone(), tensor.clone()).is_some() {
                let found = format!("tensor `{}` twice", shown(&name));
                return Err(ModelsError::weights(path, "every tensor once", found));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            tensors,
        })
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.tensors.keys().cloned().collect()
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Tensor::shape)
    }

    pub fn read(&self, name: &str) -> Result<Vec<f32>, ModelsError> {
        let expected = format!("tensor `{}` in f32, f16 or bf16", shown(name));
        let Some(tensor) = self.tensors.get(name) else {
            return Err(ModelsError::weights(&self.path, expected, "none"));
        };
        let floats = match tensor.dtype() {
            Dtype::F32 => Floats::F32,
            Dtype::F16 => Floats::F16,
            Dtype::Bf16 => Floats::Bf16,
            other => return Err(ModelsError::weights(&self.path, expected, other.name())),
        };
        let bytes = tensor.bytes();
        let bytes = bytes.map_err(|error| refuse(&self.path, &expected, &error))?;
        Ok(floats.read(&bytes))
    }
}

fn refuse(path: &Path, expected: &str, error: &PthError) -> ModelsError {
    ModelsError::weights(path, expected, error.to_string())
}
