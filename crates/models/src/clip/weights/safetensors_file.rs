use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::floats::Floats;
use crate::ModelsError;

/// A `.safetensors` file, of which tensors are read one at a time.
#[derive(Debug)]
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    start: u64,
}

/// The format's own limit, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

impl SafetensorsFile {
    pub fn open(path: &Path) -> Result<Self, ModelsError> {
        let refuse = |found: String| ModelsError::weights(path, "a .safetensors file", found);
        let io = |error: std::io::Error| refuse(format!("{error}"));
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length + 8 > size {
            return Err(refuse(format!(
                "a header of {length} bytes in a file of {size}"
            )));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(io)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| refuse(format!("a header that cannot be read ({error})")))?;
        let start = 8 + length;
        let expected = start + metadata.data_len() as u64;
        if expected != size {
            return Err(refuse(format!(
                "{size} bytes where the header tells of {expected}: it was cut off or changed"
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
            start,
        })
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.metadata.offset_keys().into_iter().collect()
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// The values of a tensor, which the file has.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, ModelsError> {
        let refuse = |path: &Path, found| {
            ModelsError::weights(path, format!("tensor `{name}` in f32, f16 or bf16"), found)
        };
        let Some(info) = self.metadata.info(name) else {
            return Err(refuse(&self.path, "none of that name".to_owned()));
        };
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; end - begin];
        self.file
            .seek(SeekFrom::Start(self.start + begin as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| refuse(&self.path, error.to_string()))?;
        let floats = match info.dtype {
            Dtype::F32 => Floats::F32,
            Dtype::F16 => Floats::F16,
            Dtype::BF16 => Floats::Bf16,
            other => return Err(refuse(&self.path, format!("{other:?}"))),
        };
        Ok(floats.read(&bytes))
    }
}
