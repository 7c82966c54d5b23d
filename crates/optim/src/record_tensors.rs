//! Tensors of a state to data and back, bit for bit.

use std::collections::BTreeMap;

use burn::tensor::{DType, Shape, Tensor, TensorData, Transaction, backend::Backend};

use crate::{OptimError, ParamSpec};

/// The data of flat tensors of these shapes, in their order, in one transfer.
pub(crate) fn read<'a, B: Backend>(
    tensors: impl Iterator<Item = (&'a Vec<usize>, &'a Tensor<B, 1>)>,
) -> Result<std::vec::IntoIter<TensorData>, OptimError> {
    let (shapes, tensors): (Vec<_>, Vec<_>) = tensors.unzip();
    if tensors.is_empty() {
        // Burn's transaction on a GPU panics without a tensor.
        return Ok(Vec::new().into_iter());
    }
    let data = tensors
        .into_iter()
        .cloned()
        .fold(Transaction::<B>::default(), Transaction::register)
        .try_execute()
        .map_err(|error| lost(error.to_string()))?;
    // Tensors come back flat; a record holds the parameter's shape.
    let shaped = shapes
        .into_iter()
        .zip(data)
        .map(|(shape, data)| TensorData {
            shape: Shape::from(shape.clone()),
            ..data
        });
    Ok(shaped.collect::<Vec<_>>().into_iter())
}

/// The next tensor of [`read`].
pub(crate) fn next(
    data: &mut std::vec::IntoIter<TensorData>,
    path: &str,
) -> Result<TensorData, OptimError> {
    data.next()
        .ok_or_else(|| lost(format!("no data for `{path}`")))
}

fn lost(message: String) -> OptimError {
    OptimError::Device {
        operation: "reading optimizer moments",
        message,
    }
}

/// Path of a parameter inside the record.
pub(crate) fn leaf(path: &str) -> String {
    format!("params.{path}")
}

/// Refuses a record of other parameters than those expected.
pub(crate) fn check_paths<V>(
    params: &BTreeMap<String, V>,
    expected: &BTreeMap<String, ParamSpec>,
) -> Result<(), OptimError> {
    if let Some(path) = params.keys().find(|path| !expected.contains_key(*path)) {
        return Err(OptimError::RecordUnexpected { path: leaf(path) });
    }
    match expected.keys().find(|path| !params.contains_key(*path)) {
        Some(path) => Err(OptimError::RecordMissing { path: leaf(path) }),
        None => Ok(()),
    }
}

/// A flat tensor of exactly the stored bits.
pub(crate) fn load<B: Backend>(
    path: &str,
    data: &TensorData,
    spec: &ParamSpec,
    device: &B::Device,
) -> Result<Tensor<B, 1>, OptimError> {
    let path = path.to_string();
    if data.shape.as_slice() != spec.shape {
        return Err(OptimError::RecordShape {
            path,
            expected: spec.shape.clone(),
            found: data.shape.to_vec(),
        });
    }
    if data.dtype != spec.dtype {
        return Err(OptimError::RecordDType {
            path,
            expected: format!("{:?}", spec.dtype),
            found: format!("{:?}", data.dtype),
        });
    }
    let expected = spec.len() * spec.dtype.size();
    if data.bytes.len() != expected {
        return Err(OptimError::RecordBytes {
            path,
            expected,
            found: data.bytes.len(),
        });
    }
    // Rebuilt from typed elements: bytes that came out of a file need not be
    // aligned for the dtype, and backends cast them in place.
    let flat = match spec.dtype {
        DType::F64 => TensorData::new(elements(&data.bytes, f64::from_ne_bytes), [spec.len()]),
        _ => TensorData::new(elements(&data.bytes, f32::from_ne_bytes), [spec.len()]),
    };
    Ok(Tensor::from_data(flat, (device, spec.dtype)))
}

fn elements<const N: usize, E>(bytes: &[u8], read: impl Fn([u8; N]) -> E) -> Vec<E> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| read(chunk))
        .collect()
}
