use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::value::RawValue;

use super::TensorSource;
use super::floats::Floats;
use crate::PeftError;
use crate::config::OrderedMap;
use crate::shown::shown;

/// The bytes of a `.safetensors` file.
pub(crate) struct SafetensorsSource<R> {
    bytes: R,
    tensors: BTreeMap<String, TensorInfo>,
    /// Where the tensors' bytes begin.
    start: u64,
}

/// The format's own limit, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// The format's key for remarks.
const METADATA: &str = "__metadata__";

impl<R: Read + Seek> SafetensorsSource<R> {
    pub fn open(mut bytes: R) -> Result<Self, PeftError> {
        let size = bytes.seek(SeekFrom::End(0))?;
        bytes.seek(SeekFrom::Start(0))?;
        if size < 8 {
            return Err(not_safetensors(format!("a file of {size} bytes")));
        }
        let mut length = [0; 8];
        bytes.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length + 8 > size {
            return Err(not_safetensors(format!(
                "a header of {length} bytes in a file of {size}"
            )));
        }
        let mut header = vec![0; length as usize];
        bytes.read_exact(&mut header)?;
        let tensors = parse(&header)?;
        let start = 8 + length;
        let end = check_places(&tensors)?;
        if start.checked_add(end) != Some(size) {
            return Err(not_safetensors(format!(
                "{size} bytes where the header tells of {start} and {end}"
            )));
        }
        Ok(Self {
            bytes,
            tensors,
            start,
        })
    }
}

impl<R: Read + Seek> TensorSource for SafetensorsSource<R> {
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let tensors = self.tensors.iter();
        tensors
            .map(|(name, info)| (name.clone(), info.shape.clone()))
            .collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, PeftError> {
        let info = &self.tensors[name];
        let floats = match info.dtype {
            Dtype::F32 => Floats::F32,
            Dtype::F16 => Floats::F16,
            Dtype::BF16 => Floats::Bf16,
            other => {
                return Err(PeftError::Dtype {
                    found: format!("{other:?}"),
                });
            }
        };
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; end - begin];
        self.bytes
            .seek(SeekFrom::Start(self.start + begin as u64))?;
        self.bytes.read_exact(&mut bytes)?;
        Ok(floats.read(&bytes))
    }
}

fn not_safetensors(found: String) -> PeftError {
    PeftError::Damaged {
        expected: "a whole file of safetensors".to_owned(),
        found,
    }
}

fn parse(header: &[u8]) -> Result<BTreeMap<String, TensorInfo>, PeftError> {
    let refuse = |error: serde_json::Error| {
        let error = shown(&error.to_string());
        not_safetensors(format!("a header that cannot be read ({error})"))
    };
    // No key may come twice, the one for remarks included.
    let OrderedMap(entries) =
        serde_json::from_slice::<OrderedMap<&RawValue>>(header).map_err(refuse)?;
    let tensors = entries.into_iter().filter(|(name, _)| name != METADATA);
    tensors
        .map(|(name, info)| Ok((name, serde_json::from_str(info.get()).map_err(refuse)?)))
        .collect()
}

/// Where the bytes of the last tensor end. Each tensor must have as many as its shape needs,
/// right behind those of the one before.
fn check_places(tensors: &BTreeMap<String, TensorInfo>) -> Result<u64, PeftError> {
    let mut order: Vec<(&String, &TensorInfo)> = tensors.iter().collect();
    order.sort_by_key(|(_, info)| info.data_offsets);
    let mut at = 0;
    for (name, info) in order {
        let (begin, end) = info.data_offsets;
        let (dtype, shape) = (info.dtype, shown(&format!("{:?}", info.shape)));
        let bits = info
            .shape
            .iter()
            .try_fold(dtype.bitsize(), |bits, size| bits.checked_mul(*size));
        let bytes = bits.filter(|bits| bits.is_multiple_of(8));
        let Some(bytes) = bytes.map(|bits| bits / 8) else {
            return Err(PeftError::Damaged {
                expected: "a countable number of bytes".to_owned(),
                found: format!("{dtype:?} {shape}"),
            }
            .at(place(name)));
        };
        if begin != at || end.checked_sub(begin) != Some(bytes) {
            return Err(PeftError::Damaged {
                expected: format!("{dtype:?} {shape} in {bytes} bytes from byte {at}"),
                found: format!("bytes {begin} to {end}, which overlap, leave a gap or do not fit"),
            }
            .at(place(name)));
        }
        at = end;
    }
    Ok(at as u64)
}

fn place(name: &str) -> String {
    format!("tensor `{}`", shown(name))
}
