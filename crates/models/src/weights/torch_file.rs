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

    /// Type and shape of a tensor, as `.safetensors` has them.
    pub fn info(&self, name: &str) -> Result<(safetensors::Dtype, Vec<usize>), ModelsError> {
        let expected = format!("tensor `{}` of a type of .safetensors", shown(name));
        let tensor = self.tensor(name, &expected)?;
        let dtype = safetensors_dtype(tensor.dtype());
        let found = || ModelsError::weights(&self.path, expected, tensor.dtype().name());
        Ok((dtype.ok_or_else(found)?, tensor.shape().to_vec()))
    }

    /// The bytes of a tensor, row-major.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, ModelsError> {
        let expected = format!("tensor `{}`", shown(name));
        let bytes = self.tensor(name, &expected)?.bytes();
        let bytes = bytes.map_err(|error| refuse(&self.path, &expected, &error))?;
        Ok(bytes.into_owned())
    }

    pub fn read(&self, name: &str) -> Result<Vec<f32>, ModelsError> {
        let expected = format!("tensor `{}` in f32, f16 or bf16", shown(name));
        let tensor = self.tensor(name, &expected)?;
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

    fn tensor(&self, name: &str, expected: &str) -> Result<&Tensor, ModelsError> {
        let tensor = self.tensors.get(name);
        tensor.ok_or_else(|| ModelsError::weights(&self.path, expected, "none"))
    }
}

/// `None` if that format has no such type.
fn safetensors_dtype(dtype: Dtype) -> Option<safetensors::Dtype> {
    use safetensors::Dtype as Theirs;
    Some(match dtype {
        Dtype::F64 => Theirs::F64,
        Dtype::F32 => Theirs::F32,
        Dtype::F16 => Theirs::F16,
        Dtype::Bf16 => Theirs::BF16,
        Dtype::F8E4m3 => Theirs::F8_E4M3,
        Dtype::F8E5m2 => Theirs::F8_E5M2,
        Dtype::Complex64 => Theirs::C64,
        Dtype::I64 => Theirs::I64,
        Dtype::I32 => Theirs::I32,
        Dtype::I16 => Theirs::I16,
        Dtype::I8 => Theirs::I8,
        Dtype::U64 => Theirs::U64,
        Dtype::U32 => Theirs::U32,
        Dtype::U16 => Theirs::U16,
        Dtype::U8 => Theirs::U8,
        Dtype::Bool => Theirs::BOOL,
        _ => return None,
    })
}

fn refuse(path: &Path, expected: &str, error: &PthError) -> ModelsError {
    ModelsError::weights(path, expected, error.to_string())
}
