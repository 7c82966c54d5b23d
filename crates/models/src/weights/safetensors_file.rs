use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::floats::Floats;
use super::safetensors_header::SafetensorsHeader;
use crate::ModelsError;
use crate::plain_file::open_plain_file;
use crate::shown::shown;

/// A `.safetensors` file, of which tensors are read one at a time.
#[derive(Debug)]
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: File,
    header: SafetensorsHeader,
    /// Where the tensors' bytes begin.
    start: u64,
}

/// The format's own limit, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

impl SafetensorsFile {
    pub fn open(path: &Path) -> Result<Self, ModelsError> {
        let refuse = |found: String| ModelsError::weights(path, "a .safetensors file", found);
        let io = |error: std::io::Error| refuse(format!("{error}"));
        let mut file = open_plain_file(path).map_err(io)?;
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
        let header: SafetensorsHeader = serde_json::from_slice(&header)
            .map_err(|error| refuse(format!("a header that cannot be read ({error})")))?;
        let start = 8 + length;
        let end = check_places(path, &header)?;
        if start.checked_add(end) != Some(size) {
            return Err(refuse(format!(
                "{size} bytes where the header tells of {start} and {end}: it was cut off or changed"
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            start,
        })
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.header.tensors.keys().cloned().collect()
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let info = self.header.tensors.get(name);
        info.map(|info| info.shape.as_slice())
    }

    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.header.metadata.as_ref()
    }

    /// Type and shape of a tensor, which the file has.
    pub fn info(&self, name: &str) -> Result<(Dtype, Vec<usize>), ModelsError> {
        let info = self.entry(name, "")?;
        Ok((info.dtype, info.shape.clone()))
    }

    /// The bytes of a tensor, which the file has.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ModelsError> {
        let (begin, end) = self.entry(name, "")?.data_offsets;
        self.slice(name, "", begin..end)
    }

    /// The values of a tensor, which the file has.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, ModelsError> {
        const FLOATS: &str = " in f32, f16 or bf16";
        let info = self.entry(name, FLOATS)?;
        let floats = match info.dtype {
            Dtype::F32 => Floats::F32,
            Dtype::F16 => Floats::F16,
            Dtype::BF16 => Floats::Bf16,
            other => return Err(self.refuse(name, FLOATS, format!("{other:?}"))),
        };
        let (begin, end) = info.data_offsets;
        Ok(floats.read(&self.slice(name, FLOATS, begin..end)?))
    }

    fn entry(&self, name: &str, what: &str) -> Result<&TensorInfo, ModelsError> {
        let info = self.header.tensors.get(name);
        info.ok_or_else(|| self.refuse(name, what, "none of that name".to_owned()))
    }

    fn slice(
        &mut self,
        name: &str,
        what: &str,
        place: Range<usize>,
    ) -> Result<Vec<u8>, ModelsError> {
        let mut bytes = vec![0; place.len()];
        self.file
            .seek(SeekFrom::Start(self.start + place.start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| self.refuse(name, what, error.to_string()))?;
        Ok(bytes)
    }

    fn refuse(&self, name: &str, what: &str, found: String) -> ModelsError {
        let expected = format!("tensor `{}`{what}", shown(name));
        ModelsError::weights(&self.path, expected, found)
    }
}

/// Where the bytes of the last tensor end. Each tensor must have as many as its shape needs,
/// right behind those of the one before.
fn check_places(path: &Path, header: &SafetensorsHeader) -> Result<u64, ModelsError> {
    let mut at = 0;
    for (name, info) in header.in_order() {
        let (begin, end) = info.data_offsets;
        let (name, dtype, shape) = (shown(name), info.dtype, &info.shape);
        let bits = shape
            .iter()
            .try_fold(dtype.bitsize(), |bits, size| bits.checked_mul(*size));
        let Some(bytes) = bits
            .filter(|bits| bits.is_multiple_of(8))
            .map(|bits| bits / 8)
        else {
            let expected = format!("tensor `{name}` of a countable number of bytes");
            return Err(ModelsError::weights(
                path,
                expected,
                format!("{dtype:?} {shape:?}"),
            ));
        };
        if begin != at || end.checked_sub(begin) != Some(bytes) {
            let expected =
                format!("tensor `{name}`, {dtype:?} {shape:?}, in {bytes} bytes from byte {at}");
            let found = format!("bytes {begin} to {end}, which overlap, leave a gap or do not fit");
            return Err(ModelsError::weights(path, expected, found));
        }
        at = end;
    }
    Ok(at as u64)
}
