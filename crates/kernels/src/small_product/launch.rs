use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;

use super::RowsLie;
use crate::cuda_source::{CudaSource, SourceText, compute_capability};
use crate::f32_product::{Operand, ProductShape};
use crate::finish::{Finish, Finished};
use crate::tensor_core_product::{Numbers, Stored};
use crate::{KernelError, RowShape, buffer};

/// Columns of a cube's tile.
const COLUMNS: usize = 64;
/// The most rows of a tile that has all rows.
const MOST_ROWS: usize = 128;
/// Rows of a tile where there are more.
const ROWS: usize = 64;
/// Elements of k of a step.
const DEPTH: usize = 64;
/// The most cubes of a cluster on every GPU that has clusters.
const MOST_PARTS: usize = 8;
/// Cubes that are wanted: two for each processor of a large GPU.
const CUBES: usize = 264;
/// The most multiplications. Larger products have kernels that multiply faster.
const VOLUME: u64 = 1 << 29;
/// Units of a cube.
const UNITS: u32 = 256;

/// Whether the GPU of this number has the instructions: from compute capability 9.0 on.
pub fn is_supported(index: usize) -> bool {
    compute_capability(index).is_some_and(|found| found >= (9, 0))
}

/// Whether a product is one that this kernel is for, by its sizes: at most 2^29 multiplications in all.
pub fn is_small(shape: ProductShape) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    all([batch, m, k, n]) <= VOLUME
}

fn all<const N: usize>(factors: [usize; N]) -> u64 {
    let factors = factors.into_iter();
    factors.fold(1, |all: u64, factor| all.saturating_mul(factor as u64))
}

/// Whether the kernel takes the product of operands that are stored so: it is [small](is_small), n is even,
/// and grid and positions have room for it. TF32 is made of f32.
pub fn is_taken(
    shape: ProductShape,
    numbers: Numbers,
    [lhs, rhs]: [(&Operand, Stored); 2],
) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    let fits = |(operand, stored): (&Operand, Stored), outer| {
        operand.extent(batch, outer, k) as u64 <= RowShape::MAX_LEN
            && buffer::offset(&operand.handle).is_multiple_of(stored.size() as u64)
            && (numbers == Numbers::Bf16 || stored == Stored::F32)
    };
    batch.min(m).min(k).min(n) > 0
        && n.is_multiple_of(2)
        && is_small(shape)
        && all([batch, m, n]) <= RowShape::MAX_LEN
        && batch <= 65_535
        && m.div_ceil(ROWS) <= 65_535
        && fits(lhs, m)
        && fits(rhs, n)
}

/// The products, f32 of `[batch, m, n]` whose rows lie as told, or what `finish` makes of them.
///
/// # Errors
/// [`KernelError::TooShort`] for an operand or a tensor of `finish` that does not hold its numbers,
/// [`KernelError::Misaligned`] for one that begins within one.
///
/// # Panics
/// If the product is not [taken](is_taken), or there is something to finish of several products whose rows
/// lie by place. On a GPU that [does not have](is_supported) the instructions the launch fails.
pub fn small_product(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    numbers: Numbers,
    operands: [(&Operand, Stored); 2],
    rows: RowsLie,
    finish: Finish<'_>,
) -> Result<Finished, KernelError> {
    assert!(
        is_taken(shape, numbers, operands),
        "small_product: expected at most {VOLUME} multiplications and an even n, found {shape:?} of {operands:?}"
    );
    let ProductShape { batch, m, k, n } = shape;
    let [(lhs, lhs_stored), (rhs, rhs_stored)] = operands;
    for (what, operand, stored, outer) in [("lhs", lhs, lhs_stored, m), ("rhs", rhs, rhs_stored, n)]
    {
        let bytes = (stored.size() * operand.extent(batch, outer, k)) as u64;
        buffer::check(NAME, what, &operand.handle, bytes, stored.size() as u64)?;
    }
    finish.check(NAME, batch * m * n, n)?;
    let (out_stride, out_batch) = match rows {
        RowsLie::ByProduct => (n, m * n),
        RowsLie::ByPlace => {
            assert!(
                batch == 1 || matches!(finish, Finish::Plain),
                "small_product: rows by place are not finished"
            );
            (batch * n, n)
        }
    };
    let tile = Tile::of(shape);
    let (finished, [out, bias, beside]) = finish.buffers(client, batch * m * n);
    let count = CubeCount::Static(
        (n.div_ceil(COLUMNS) * tile.parts) as u32,
        m.div_ceil(tile.rows) as u32,
        batch as u32,
    );
    let sizes = [
        m,
        n,
        k,
        lhs.stride,
        rhs.stride,
        out_stride,
        lhs.batch_stride,
        rhs.batch_stride,
        out_batch,
    ];
    let widths = [
        width(lhs, lhs_stored, if lhs.k_last { k } else { m }),
        width(rhs, rhs_stored, if rhs.k_last { k } else { n }),
    ];
    let (stored, k_last) = ([lhs_stored, rhs_stored], [lhs.k_last, rhs.k_last]);
    let kernel = kernel(numbers, stored, k_last, widths, tile, finish);
    // SAFETY: the tensors hold their lengths, as checked above, the result was made of its own, and the
    // kernel guards what it reads and writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        let buffers = vec![lhs.handle.clone(), rhs.handle.clone(), out, bias, beside];
        let sizes = sizes.map(|size| size as u32);
        kernel.launch(client, count, Vec::new(), buffers, &sizes);
    }
    Ok(finished)
}

/// Rows of a cube's tile, and cubes that share its k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    rows: usize,
    parts: usize,
}

impl Tile {
    /// By the shape alone, as the order of additions follows from it.
    fn of(shape: ProductShape) -> Self {
        let ProductShape { batch, m, k, n } = shape;
        let rows = match m <= MOST_ROWS {
            true => m.next_multiple_of(16),
            false => ROWS,
        };
        let tiles = batch * m.div_ceil(rows) * n.div_ceil(COLUMNS);
        let steps = k.div_ceil(DEPTH);
        let mut parts = 1;
        while 2 * parts <= MOST_PARTS && 2 * parts * tiles <= CUBES && 4 * parts <= steps {
            parts *= 2;
        }
        Self { rows, parts }
    }

    /// Bytes of shared memory: both operands' tiles, then that of the sums.
    fn shared(self, numbers: Numbers, [lhs_k_last, rhs_k_last]: [bool; 2]) -> usize {
        let tile = |k_last: bool, outer: usize| match (numbers, k_last) {
            (Numbers::Tf32, true) => (DEPTH + 4) * outer,
            (Numbers::Bf16, true) => (DEPTH + 8) * outer,
            (_, false) => (outer + 8) * DEPTH,
        };
        let operands = tile(lhs_k_last, self.rows) + tile(rhs_k_last, COLUMNS);
        let sums = self.rows * (COLUMNS + 8);
        (numbers.size() * operands).max(4 * sums)
    }
}

/// How many neighbours are read at a time: where the operand and what it consists of begin at multiples
/// of so many, in `together` of them that lie together.
fn width(operand: &Operand, stored: Stored, together: usize) -> u32 {
    let offset = buffer::offset(&operand.handle) as usize / stored.size();
    let begins = [operand.stride, operand.batch_stride, offset];
    let at = |width: usize| begins.iter().all(|begin| begin.is_multiple_of(width));
    match (at(4), at(2) && together.is_multiple_of(2)) {
        (true, _) => 4,
        (false, true) => 2,
        (false, false) => 1,
    }
}

fn kernel(
    numbers: Numbers,
    stored: [Stored; 2],
    k_last: [bool; 2],
    [lhs_width, rhs_width]: [u32; 2],
    tile: Tile,
    finish: Finish<'_>,
) -> CudaSource {
    let mut defines = vec![
        ("TF32", u32::from(numbers == Numbers::Tf32)),
        ("LHS_BF16", u32::from(stored[0] == Stored::Bf16)),
        ("RHS_BF16", u32::from(stored[1] == Stored::Bf16)),
        ("LHS_K_LAST", u32::from(k_last[0])),
        ("RHS_K_LAST", u32::from(k_last[1])),
        ("LHS_WIDTH", lhs_width),
        ("RHS_WIDTH", rhs_width),
        ("ROWS", tile.rows as u32),
        ("PARTS", tile.parts as u32),
    ];
    defines.extend(finish.defines());
    CudaSource {
        name: NAME,
        text: TEXT,
        defines,
        units: UNITS,
        shared: tile.shared(numbers, k_last),
    }
}

const NAME: &str = "small_product";
const TEXT: SourceText = SourceText::new(concat!(
    include_str!("../finish/finish.cu"),
    include_str!("product.cu")
));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_has_less_than_two_steps_or_the_grid_is_too_large() {
        for (batch, m, k, n, rows, parts) in [
            (1, 64, 1024, 4096, 64, 4),
            (1, 64, 4096, 1024, 64, 8),
            (1, 66, 768, 768, 80, 4),
            (1, 64, 768, 66, 64, 4),
            (16, 64, 64, 1024, 64, 1),
            (16, 64, 1024, 64, 64, 8),
            (1, 1024, 64, 1024, 64, 1),
            (1, 1, 1, 2, 16, 1),
            (1, 129, 256, 2, 64, 2),
        ] {
            let shape = ProductShape { batch, m, k, n };
            assert_eq!(Tile::of(shape), Tile { rows, parts }, "{shape:?}");
        }
    }

    #[test]
    fn source_does_not_compile() {
        let layouts = [[true, false], [false, true]];
        for (k_last, widths) in layouts.into_iter().zip([[4, 2], [1, 4]]) {
            for (rows, parts) in [(16, 1), (64, 8), (80, 2), (128, 4)] {
                let tile = Tile { rows, parts };
                let compiles = |numbers, stored| {
                    kernel(numbers, stored, k_last, widths, tile, Finish::Plain).compiles();
                };
                compiles(Numbers::Tf32, [Stored::F32; 2]);
                compiles(Numbers::Bf16, [Stored::F32, Stored::Bf16]);
                compiles(Numbers::Bf16, [Stored::Bf16, Stored::F32]);
            }
        }
    }
}
