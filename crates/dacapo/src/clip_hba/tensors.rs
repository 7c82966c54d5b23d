//! Tensors between the original's files and ours.

use burn::tensor::TensorData;
use dacapo_pth::{Dtype, Node, Tensor};

use crate::CliError;

/// The error for a place in one of the original's files.
pub(crate) fn wrong(node: &Node<'_>, expected: &str, found: impl ToString) -> CliError {
    CliError::input(
        format!(
            "{}: at {}: expected {expected}, found {}",
            node.file().display(),
            node.place(),
            found.to_string()
        ),
        "Import what CLIP-HBA's own training wrote, unchanged",
    )
}

/// A tensor of the original's; `turned`, a matrix with its axes exchanged.
///
/// # Errors
/// No tensor, or not one of finite f32.
pub(crate) fn from_theirs(node: &Node<'_>, turned: bool) -> Result<TensorData, CliError> {
    let tensor = node.tensor()?;
    if tensor.dtype() != Dtype::F32 {
        return Err(wrong(node, "a tensor of float32", tensor.dtype().name()));
    }
    let bytes = tensor.bytes()?;
    let values: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let found = format!("{} at position {at}", values[at]);
        return Err(wrong(node, "finite numbers", found));
    }
    let shape = tensor.shape().to_vec();
    match (turned, shape.as_slice()) {
        (false, _) => Ok(TensorData::new(values, shape)),
        (true, &[rows, columns]) => Ok(TensorData::new(
            transposed(&values, rows, columns),
            [columns, rows],
        )),
        (true, _) => Err(wrong(node, "a matrix", format!("shape {shape:?}"))),
    }
}

/// A tensor as the original has it, in f32; `turned`, a matrix with its axes exchanged.
pub(crate) fn to_theirs(data: &TensorData, turned: bool) -> Option<Tensor> {
    let values = data.as_slice::<f32>().ok()?;
    let mut shape = data.shape.to_vec();
    let values: Vec<f32> = match (turned, shape.as_slice()) {
        (false, _) => values.to_vec(),
        (true, &[rows, columns]) => {
            shape.reverse();
            transposed(values, rows, columns)
        }
        (true, _) => return None,
    };
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Tensor::new(Dtype::F32, shape, bytes.collect()).ok()
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
