use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::cuda_source::{CudaSource, compute_capability};
use crate::f32_product::{Operand, ProductShape};
use crate::{KernelError, RowShape, buffer};

/// What operands consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbers {
    /// f32, multiplied as TF32: rounded to 10 bits after the point, ties away from zero.
    Tf32,
    /// bf16.
    Bf16,
}

impl Numbers {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Self::Tf32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// The macro `TF32` of the source.
    fn define(self) -> (&'static str, u32) {
        ("TF32", u32::from(self == Self::Tf32))
    }

    /// Rows and columns of a cube's tile, and bytes of shared memory.
    fn tile(self) -> ([usize; 2], usize) {
        let (columns, stages) = match self {
            Self::Tf32 => (128, 6),
            Self::Bf16 => (256, 4),
        };
        ([ROWS, columns], ALIGN + stages * DEPTH * (ROWS + columns))
    }
}

/// Rows of a cube's tile.
const ROWS: usize = 128;
/// Bytes of k of a stage.
const DEPTH: usize = 128;
/// What the tiles in shared memory are aligned to.
const ALIGN: usize = 1024;
/// What rows in memory are aligned to.
const VECTOR: usize = 16;

/// Whether the GPU of this number has the instructions: compute capability 9.0 alone does.
pub fn is_supported(index: usize) -> bool {
    compute_capability(index) == Some((9, 0))
}

/// Whether the kernel takes the product: k lies together in the left operand, rows begin at
/// multiples of 16 bytes, n is even, and grid and positions have room for it.
pub fn is_taken(shape: ProductShape, numbers: Numbers, lhs: &Operand, rhs: &Operand) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    let whole = |elements: usize| (numbers.size() * elements).is_multiple_of(VECTOR);
    let is_in_place = |operand: &Operand| {
        operand.k_last
            && whole(operand.stride)
            && whole(operand.batch_stride)
            && buffer::offset(&operand.handle).is_multiple_of(VECTOR as u64)
    };
    let fits = |operand: &Operand, outer| {
        operand.extent(batch, outer, k) as u64 <= RowShape::MAX_LEN
            && buffer::offset(&operand.handle).is_multiple_of(numbers.size() as u64)
    };
    let ([rows, _], _) = numbers.tile();
    batch.min(m).min(k).min(n) > 0
        && n.is_multiple_of(2)
        && is_in_place(lhs)
        && fits(lhs, m)
        && fits(rhs, n)
        && (batch as u64)
            .saturating_mul(m as u64)
            .saturating_mul(n as u64)
            <= RowShape::MAX_LEN
        && batch <= 65_535
        && m.div_ceil(rows).max(n.div_ceil(SIDE)) <= 65_535
}

/// The products, `[batch, m, n]` of f32, contiguous.
///
/// # Errors
/// [`KernelError::TooShort`] for an operand that does not hold its matrices.
///
/// # Panics
/// If the product is not [taken](is_taken). On a GPU that [does not have](is_supported) the
/// instructions the launch fails.
pub fn tensor_core_product(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    numbers: Numbers,
    lhs: &Operand,
    rhs: &Operand,
) -> Result<Handle, KernelError> {
    assert!(
        is_taken(shape, numbers, lhs, rhs),
        "tensor_core_product: expected whole vectors along k, found {shape:?} of {lhs:?} and {rhs:?}"
    );
    let ProductShape { batch, m, k, n } = shape;
    for (what, operand, outer) in [("lhs", lhs, m), ("rhs", rhs, n)] {
        let bytes = (numbers.size() * operand.extent(batch, outer, k)) as u64;
        let align = numbers.size() as u64;
        buffer::check(NAME, what, &operand.handle, bytes, align)?;
    }
    let vectors = |elements: usize| (numbers.size() * elements / VECTOR) as u32;
    let packed = packed(client, shape, numbers, rhs);
    let ([rows, columns], _) = numbers.tile();
    let out = client.empty(4 * batch * m * n);
    let count = CubeCount::Static(
        n.div_ceil(columns) as u32,
        m.div_ceil(rows) as u32,
        batch as u32,
    );
    let sizes = [
        m as u32,
        n as u32,
        (numbers.size() * k) as u32,
        vectors(lhs.stride),
        vectors(packed.stride),
        vectors(lhs.batch_stride),
        vectors(packed.batch_stride),
    ];
    // SAFETY: the operands hold their lengths, as checked above, the result was made of its own,
    // and the kernel clamps what it reads and guards what it writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        let buffers = vec![lhs.handle.clone(), packed.handle, out.clone()];
        product(numbers).launch(client, count, buffers, &sizes);
    }
    Ok(out)
}

/// The right operand with k together, rounded, and rows at multiples of 16 bytes.
fn packed(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    numbers: Numbers,
    rhs: &Operand,
) -> Operand {
    let ProductShape { batch, k, n, .. } = shape;
    let whole = |elements: usize| (numbers.size() * elements).is_multiple_of(VECTOR);
    let aligned = buffer::offset(&rhs.handle).is_multiple_of(VECTOR as u64);
    let in_place = rhs.k_last && whole(rhs.stride) && whole(rhs.batch_stride) && aligned;
    if in_place && numbers == Numbers::Bf16 {
        return rhs.clone();
    }
    // One matrix for all products stays one.
    let matrices = if rhs.batch_stride == 0 { 1 } else { batch };
    let row = k.next_multiple_of(VECTOR / numbers.size());
    let out = client.empty(numbers.size() * matrices * n * row);
    let count = CubeCount::Static(
        k.div_ceil(SIDE) as u32,
        n.div_ceil(SIDE) as u32,
        matrices as u32,
    );
    let sizes = [n, k, rhs.stride, rhs.batch_stride, row].map(|size| size as u32);
    // SAFETY: as in `tensor_core_product`.
    #[allow(unsafe_code)]
    unsafe {
        let buffers = vec![rhs.handle.clone(), out.clone()];
        pack(numbers, rhs.k_last).launch(client, count, buffers, &sizes);
    }
    Operand {
        handle: out,
        k_last: true,
        stride: row,
        batch_stride: if matrices == 1 { 0 } else { n * row },
    }
}

fn product(numbers: Numbers) -> CudaSource {
    CudaSource {
        name: NAME,
        text: include_str!("product.cu"),
        defines: vec![numbers.define()],
        units: 256,
        shared: numbers.tile().1,
    }
}

fn pack(numbers: Numbers, k_last: bool) -> CudaSource {
    CudaSource {
        name: "pack",
        text: include_str!("pack.cu"),
        defines: vec![numbers.define(), ("K_LAST", u32::from(k_last))],
        units: 256,
        shared: 0,
    }
}

const NAME: &str = "tensor_core_product";
/// Rows and columns of a tile that is packed.
const SIDE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_does_not_compile() {
        for numbers in [Numbers::Tf32, Numbers::Bf16] {
            product(numbers).compiles();
            pack(numbers, false).compiles();
            pack(numbers, true).compiles();
        }
    }
}
