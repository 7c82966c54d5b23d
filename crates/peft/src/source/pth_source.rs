use std::collections::BTreeMap;
use std::path::Path;

use dacapo_pth::{Dtype, Key, PthFile, Tensor, Value};

use super::TensorSource;
use super::floats::Floats;
use crate::PeftError;
use crate::shown::shown;

/// The tensors of an `adapter_model.bin`.
pub(crate) struct PthSource {
    tensors: BTreeMap<String, Tensor>,
}

impl PthSource {
    pub fn open(path: &Path) -> Result<Self, PeftError> {
        let size = std::fs::metadata(path)?.len();
        let file = PthFile::open(path)?;
        let root = file.root();
        let mut tensors = BTreeMap::new();
        // Tensors may share bytes of the file, but not so that they are far more than the file.
        let mut left = size.saturating_mul(2);
        for (key, value) in root.dict()?.iter() {
            let (Key::Str(name), Value::Tensor(tensor)) = (key, value) else {
                return Err(PeftError::Damaged {
                    expected: "tensors by their names".to_owned(),
                    found: format!("another kind of entry, {}", shown(&key.to_string())),
                });
            };
            let count = tensor.shape().iter().try_fold(1_u64, |count, size| {
                count.checked_mul(u64::try_from(*size).ok()?)
            });
            let bytes = count.and_then(|count| count.checked_mul(tensor.dtype().size() as u64));
            left = match bytes.and_then(|bytes| left.checked_sub(bytes)) {
                Some(left) => left,
                None => {
                    return Err(PeftError::Damaged {
                        expected: format!("tensors of at most twice the file's {size} bytes"),
                        found: "more, which share their bytes".to_owned(),
                    });
                }
            };
            tensors.insert(name.to_string(), tensor.clone());
        }
        Ok(Self { tensors })
    }
}

impl TensorSource for PthSource {
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let tensors = self.tensors.iter();
        tensors
            .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()))
            .collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, PeftError> {
        let tensor = &self.tensors[name];
        let floats = match tensor.dtype() {
            Dtype::F32 => Floats::F32,
            Dtype::F16 => Floats::F16,
            Dtype::Bf16 => Floats::Bf16,
            other => {
                return Err(PeftError::Dtype {
                    found: other.name().to_owned(),
                });
            }
        };
        Ok(floats.read(&tensor.bytes()?))
    }
}
