use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;

use super::{RowsLie, SmallOperand};
use crate::cuda_source::{CudaSource, SourceText, compute_capability};
use crate::f32_product::ProductShape;
use crate::finish::{Finish, Finished};
use crate::tensor_core_product::{Numbers, Stored};
use crate::{KernelError, RowShape, buffer};

/// Columns of a cube's tile.
const COLUMNS: usize = 64;
/// The most rows of a tile that has all rows.
const MOST_ROWS: usize = 128;
/// The least rows of a tile where there are more.
const ROWS: usize = 64;
/// Elements of k of a step.
const DEPTH: usize = 64;
/// The most cubes of a cluster on every GPU that has clusters.
const MOST_PARTS: usize = 8;
/// Cubes that are wanted: two for each processor of a large GPU.
const CUBES: usize = 264;
/// The most multiplications of one product. Larger ones have kernels that multiply faster.
const VOLUME: u64 = 1 << 29;
/// The most of each of several.
const VOLUME_OF_SEVERAL: u64 = 1 << 26;
/// Units of a cube.
const UNITS: u32 = 256;

/// Whether the GPU of this number has the instructions: from compute capability 9.0 on.
pub fn is_supported(index: usize) -> bool {
    compute_capability(index).is_some_and(|found| found >= (9, 0))
}

/// Whether products are such as this kernel is for, by their sizes: one of at most 2^29 multiplications, or
/// several of at most 2^26 each.
pub fn is_small(shape: ProductShape) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    let most = match batch {
        1 => VOLUME,
        _ => VOLUME_OF_SEVERAL,
    };
    all([m, k, n]) <= most
}

fn all<const N: usize>(factors: [usize; N]) -> u64 {
    let factors = factors.into_iter();
    factors.fold(1, |all: u64, factor| all.saturating_mul(factor as u64))
}

/// Whether the kernel takes these products of `[m, k]` and `[k, n]`, in groups of `per_group`: they are
/// [small](is_small), n is even where there is something to finish, and grid and positions have room for
/// them. TF32 is made of f32.
pub fn is_taken(
    shape: ProductShape,
    per_group: usize,
    numbers: Numbers,
    [lhs, rhs]: [&SmallOperand; 2],
    finish: Finish<'_>,
) -> bool {
    let ProductShape { batch, m, k, n } = shape;
    if batch.min(m).min(k).min(n).min(per_group) == 0 || !batch.is_multiple_of(per_group) {
        return false;
    }
    let fits = |source: &SmallOperand, outer| {
        let extent = source.extent(batch / per_group, per_group, outer, k) as u64;
        let offset = buffer::offset(&source.operand.handle);
        extent <= RowShape::MAX_LEN
            && offset.is_multiple_of(source.stored.size() as u64)
            && (numbers == Numbers::Bf16 || source.stored == Stored::F32)
    };
    (n.is_multiple_of(2) || matches!(finish, Finish::Plain))
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
/// If the products are not [taken](is_taken), or there is something to finish of several whose rows lie by
/// place. On a GPU that [does not have](is_supported) the instructions the launch fails.
pub fn small_product(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    per_group: usize,
    numbers: Numbers,
    operands: [&SmallOperand; 2],
    rows: RowsLie,
    finish: Finish<'_>,
) -> Result<Finished, KernelError> {
    assert!(
        is_taken(shape, per_group, numbers, operands, finish),
        "small_product: expected small products, found {shape:?} in groups of {per_group} of {operands:?} for \
         {finish:?}"
    );
    let ProductShape { batch, m, k, n } = shape;
    let [lhs, rhs] = operands;
    for (what, source, outer) in [("lhs", lhs, m), ("rhs", rhs, n)] {
        let size = source.stored.size();
        let bytes = size * source.extent(batch / per_group, per_group, outer, k);
        buffer::check(
            NAME,
            what,
            &source.operand.handle,
            bytes as u64,
            size as u64,
        )?;
    }
    finish.check(NAME, batch * m * n, n)?;
    let (out_stride, out_batch) = match rows {
        RowsLie::ByProduct => (n, m * n),
        RowsLie::ByPlace => {
            assert!(
                batch == 1 || matches!(finish, Finish::Plain),
                "small_product: rows by place are not finished"
            );
            (per_group * n, n)
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
        lhs.operand.stride,
        rhs.operand.stride,
        out_stride,
        lhs.operand.batch_stride,
        rhs.operand.batch_stride,
        out_batch,
        per_group,
        lhs.group_stride,
        rhs.group_stride,
        per_group * m * n,
    ];
    let kernel = Kernel {
        numbers,
        stored: operands.map(|source| source.stored),
        k_last: operands.map(|source| source.operand.k_last),
        widths: [width(lhs, m, k), width(rhs, n, k)],
        tile,
        even: n.is_multiple_of(2),
    };
    // SAFETY: the tensors hold their lengths, as checked above, the result was made of its own, and the
    // kernel guards what it reads and writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        let [lhs, rhs] = operands.map(|source| source.operand.handle.clone());
        let buffers = vec![lhs, rhs, out, bias, beside];
        let sizes = sizes.map(|size| size as u32);
        kernel
            .source(finish)
            .launch(client, count, Vec::new(), buffers, &sizes);
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
            // As few past the end as may be.
            false => (ROWS..=MOST_ROWS)
                .step_by(16)
                .min_by_key(|rows| m.next_multiple_of(*rows))
                .expect("there are some"),
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
/// of so many, and what lies together is as many.
fn width(source: &SmallOperand, outer: usize, k: usize) -> u32 {
    let SmallOperand {
        operand,
        stored,
        group_stride,
    } = source;
    let offset = buffer::offset(&operand.handle) as usize / stored.size();
    let together = if operand.k_last { k } else { outer };
    let begins = [operand.stride, operand.batch_stride, *group_stride, offset];
    let at = |width: usize| begins.iter().all(|begin| begin.is_multiple_of(width));
    match (at(4), at(2) && together.is_multiple_of(2)) {
        (true, _) => 4,
        (false, true) => 2,
        (false, false) => 1,
    }
}

/// What the code depends on.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    numbers: Numbers,
    stored: [Stored; 2],
    k_last: [bool; 2],
    widths: [u32; 2],
    tile: Tile,
    even: bool,
}

impl Kernel {
    fn source(self, finish: Finish<'_>) -> CudaSource {
        let is = |yes: bool| u32::from(yes);
        let mut defines = vec![
            ("TF32", is(self.numbers == Numbers::Tf32)),
            ("LHS_BF16", is(self.stored[0] == Stored::Bf16)),
            ("RHS_BF16", is(self.stored[1] == Stored::Bf16)),
            ("LHS_K_LAST", is(self.k_last[0])),
            ("RHS_K_LAST", is(self.k_last[1])),
            ("LHS_WIDTH", self.widths[0]),
            ("RHS_WIDTH", self.widths[1]),
            ("ROWS", self.tile.rows as u32),
            ("PARTS", self.tile.parts as u32),
            ("EVEN", is(self.even)),
        ];
        defines.extend(finish.defines());
        CudaSource {
            name: NAME,
            text: TEXT,
            defines,
            units: UNITS,
            shared: self.tile.shared(self.numbers, self.k_last),
        }
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
            (1, 129, 256, 2, 80, 2),
            (1024, 257, 257, 64, 96, 1),
            (1, 200, 64, 64, 112, 1),
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
                for (numbers, stored) in [
                    (Numbers::Tf32, [Stored::F32; 2]),
                    (Numbers::Bf16, [Stored::F32, Stored::Bf16]),
                    (Numbers::Bf16, [Stored::Bf16, Stored::F32]),
                ] {
                    let kernel = Kernel {
                        numbers,
                        stored,
                        k_last,
                        widths,
                        tile: Tile { rows, parts },
                        even: rows > 64,
                    };
                    kernel.source(Finish::Plain).compiles();
                }
            }
        }
    }
}
