use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::{Handle, TensorMapBinding, TensorMapMeta};
use cubecl::zspace::metadata::Metadata;

use super::Stored;
use crate::cuda_source::{CudaSource, SourceText, compute_capability};
use crate::f32_product::{Operand, ProductShape};
use crate::finish::{Finish, Finished};
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

    /// A tile of the left operand in memory, and how it comes to shared memory.
    fn map(self, batch: usize, m: usize, k: usize, operand: &Operand) -> TensorMapBinding {
        let storage_ty = match self {
            Self::Tf32 => f32::as_type_native_unchecked().storage_type(),
            Self::Bf16 => half::bf16::as_type_native_unchecked().storage_type(),
        };
        // Of one matrix it is not used, but must be a distance.
        let distance = match batch {
            1 => m * operand.stride,
            _ => operand.batch_stride,
        };
        TensorMapBinding {
            binding: operand.handle.clone().binding(),
            map: TensorMapMeta {
                format: TensorMapFormat::Tiled(TiledArgs {
                    tile_size: [1, ROWS, DEPTH / self.size()].into(),
                }),
                metadata: Metadata::new([batch, m, k], [distance, operand.stride, 1]),
                elem_stride: [1, 1, 1].into(),
                interleave: TensorMapInterleave::None,
                swizzle: TensorMapSwizzle::B128,
                prefetch: TensorMapPrefetch::B256,
                oob_fill: OobFill::Zero,
                storage_ty,
            },
        }
    }
}

/// Rows of a cube's tile.
const ROWS: usize = 128;
/// Columns of the larger kind of tile, and of the smaller.
const COLUMNS: [usize; 2] = [256, 128];
/// From so many tiles of the larger kind on, these are used: as many as a large GPU has processors,
/// each of which holds one.
const MANY: usize = 128;
/// Bytes of k of a stage.
const DEPTH: usize = 128;
/// What the tiles in shared memory are aligned to.
const ALIGN: usize = 1024;
/// What rows in memory are aligned to.
const VECTOR: usize = 16;
/// Cubes beside each other along m, which read one right operand.
const CLUSTER: usize = 2;
/// Units of a cube.
const UNITS: u32 = 384;

/// Whether the GPU of this number has the instructions: compute capability 9.0 alone does.
pub fn is_supported(index: usize) -> bool {
    compute_capability(index) == Some((9, 0))
}

/// Whether the kernel takes the product of `numbers` and of what is stored so, which TF32 wants to be f32:
/// k lies together in the left operand, its rows begin at multiples of 16 bytes, n is even, and grid and
/// positions have room for it.
pub fn is_taken(
    shape: ProductShape,
    numbers: Numbers,
    lhs: &Operand,
    (rhs, stored): (&Operand, Stored),
) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    let whole = |elements: usize| (numbers.size() * elements).is_multiple_of(VECTOR);
    let is_in_place = |operand: &Operand| {
        operand.k_last
            && whole(operand.stride)
            && whole(operand.batch_stride)
            && buffer::offset(&operand.handle).is_multiple_of(VECTOR as u64)
    };
    let fits = |operand: &Operand, outer, size: usize| {
        operand.extent(batch, outer, k) as u64 <= RowShape::MAX_LEN
            && buffer::offset(&operand.handle).is_multiple_of(size as u64)
    };
    batch.min(m).min(k).min(n) > 0
        && n.is_multiple_of(2)
        && is_in_place(lhs)
        && lhs.stride >= k
        && (numbers == Numbers::Bf16 || stored == Stored::F32)
        && fits(lhs, m, numbers.size())
        && fits(rhs, n, stored.size())
        && (batch as u64)
            .saturating_mul(m as u64)
            .saturating_mul(n as u64)
            <= RowShape::MAX_LEN
        && batch <= 65_535
        && m.div_ceil(ROWS) + CLUSTER <= 65_535
        && (n + COLUMNS[0]).div_ceil(SIDE) <= 65_535
        && (batch == 1 || lhs.batch_stride > 0)
}

/// The products, `[batch, m, n]` of f32, contiguous, or what `finish` makes of them.
///
/// # Errors
/// [`KernelError::TooShort`] for an operand or a tensor of `finish` that does not hold its numbers,
/// [`KernelError::Misaligned`] for one of the latter.
///
/// # Panics
/// If the product is not [taken](is_taken). On a GPU that [does not have](is_supported) the
/// instructions the launch fails.
pub fn tensor_core_product(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    numbers: Numbers,
    lhs: &Operand,
    (rhs, stored): (&Operand, Stored),
    finish: Finish<'_>,
) -> Result<Finished, KernelError> {
    assert!(
        is_taken(shape, numbers, lhs, (rhs, stored)),
        "tensor_core_product: expected whole vectors along k, found {shape:?} of {lhs:?} and {rhs:?}"
    );
    let ProductShape { batch, m, k, n } = shape;
    for (what, operand, outer, size) in [
        ("lhs", lhs, m, numbers.size()),
        ("rhs", rhs, n, stored.size()),
    ] {
        let bytes = (size * operand.extent(batch, outer, k)) as u64;
        buffer::check(NAME, what, &operand.handle, bytes, size as u64)?;
    }
    finish.check(NAME, batch * m * n, n)?;
    let columns = match COLUMNS {
        [large, _] if batch * m.div_ceil(ROWS) * n.div_ceil(large) >= MANY => large,
        [_, small] => small,
    };
    let steps = (numbers.size() * k).div_ceil(DEPTH);
    let packed = packed(client, shape, numbers, columns, (rhs, stored));
    let (finished, [out, bias, beside]) = finish.buffers(client, batch * m * n);
    let count = CubeCount::Static(
        n.div_ceil(columns) as u32,
        m.div_ceil(ROWS).next_multiple_of(CLUSTER) as u32,
        batch as u32,
    );
    let shared = u32::from(rhs.batch_stride == 0);
    let sizes = [m as u32, n as u32, steps as u32, shared];
    // SAFETY: the tensors hold their lengths, as checked above, packed operand and result were made of
    // theirs, the map's extents are those of the left operand, outside of which it gives zeros, and
    // the kernel guards what it reads and writes beside that by m and n.
    #[allow(unsafe_code)]
    unsafe {
        let maps = vec![numbers.map(batch, m, k, lhs)];
        let buffers = vec![packed, out, bias, beside];
        product(numbers, columns, finish).launch(client, count, maps, buffers, &sizes);
    }
    Ok(finished)
}

/// The right operand in tiles of `columns` along n and [`DEPTH`] bytes along k, rounded.
fn packed(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    numbers: Numbers,
    columns: usize,
    (rhs, stored): (&Operand, Stored),
) -> Handle {
    let ProductShape { batch, k, n, .. } = shape;
    // One matrix for all products stays one.
    let matrices = if rhs.batch_stride == 0 { 1 } else { batch };
    let (steps, width) = (
        (numbers.size() * k).div_ceil(DEPTH),
        n.next_multiple_of(columns),
    );
    let out = client.empty(DEPTH * matrices * width * steps);
    let count = CubeCount::Static(steps as u32, (width / SIDE) as u32, matrices as u32);
    let sizes = [n, k, rhs.stride, rhs.batch_stride].map(|size| size as u32);
    // SAFETY: the operand holds its length, as the caller checked, the result was made of its own, and
    // the kernel guards what it reads by n and k.
    #[allow(unsafe_code)]
    unsafe {
        let buffers = vec![rhs.handle.clone(), out.clone()];
        pack(numbers, stored, columns, rhs.k_last).launch(
            client,
            count,
            Vec::new(),
            buffers,
            &sizes,
        );
    }
    out
}

fn product(numbers: Numbers, columns: usize, finish: Finish<'_>) -> CudaSource {
    let stages = if columns == COLUMNS[0] { 4 } else { 6 };
    let mut defines = vec![numbers.define(), ("COLUMNS", columns as u32)];
    defines.extend(finish.defines());
    CudaSource {
        name: NAME,
        text: PRODUCT,
        defines,
        units: UNITS,
        // Two barriers a stage.
        shared: ALIGN + stages * (DEPTH * (ROWS + columns) + 16),
    }
}

fn pack(numbers: Numbers, stored: Stored, columns: usize, k_last: bool) -> CudaSource {
    CudaSource {
        name: "pack",
        text: PACK,
        defines: vec![
            numbers.define(),
            ("F32", u32::from(stored == Stored::F32)),
            ("COLUMNS", columns as u32),
            ("K_LAST", u32::from(k_last)),
        ],
        units: 256,
        shared: 0,
    }
}

const NAME: &str = "tensor_core_product";
const PRODUCT: SourceText = SourceText::new(concat!(
    include_str!("../finish/finish.cu"),
    include_str!("product.cu")
));
const PACK: SourceText = SourceText::new(include_str!("pack.cu"));
/// Rows and columns of a tile that is packed.
const SIDE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_does_not_compile() {
        for numbers in [Numbers::Tf32, Numbers::Bf16] {
            for columns in COLUMNS {
                product(numbers, columns, Finish::Plain).compiles();
                for k_last in [false, true] {
                    pack(numbers, Stored::F32, columns, k_last).compiles();
                    if numbers == Numbers::Bf16 {
                        pack(numbers, Stored::Bf16, columns, k_last).compiles();
                    }
                }
            }
        }
    }
}
