use cubecl::prelude::*;

type Four = Vector<f32, Const<4>>;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 128;
/// Steps of k in shared memory.
const STEPS: usize = 16;
/// Units of a cube.
pub(super) const UNITS: u32 = 256;
/// Vectors of a row of shared memory. Odd, so that units that write below each other, or four
/// rows apart, meet other banks.
const ROW: usize = TILE / 4 + 1;

/// How an operand lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// `[outer, k]`, not `[k, outer]`.
    pub k_last: bool,
}

/// A product's lengths and strides, in vectors where memory is meant.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub lhs_stride: u32,
    pub rhs_stride: u32,
    pub lhs_batch: u32,
    pub rhs_batch: u32,
}

/// The block of 4 x 4 of its operand's tile that this unit moves: its first k and its first outer
/// place. Half of the units move each operand.
#[cube]
fn block(#[comptime] form: Form) -> (u32, u32) {
    // Neighbouring units read what lies together.
    let unit = UNIT_POS % comptime!(UNITS / 2);
    let mut k = unit / 32 * 4;
    let mut outer = unit % 32 * 4;
    if comptime!(form.k_last) {
        k = unit % 4 * 4;
        outer = unit / 4 * 4;
    }
    (k, outer)
}

/// Reads this unit's block into four vectors along outer, one for each k; zeros past the last k.
/// Places past the last outer repeat others: nobody reads what comes of them.
#[cube]
fn load(
    from: &Array<Four>,
    to: &mut Array<Four>,
    first: u32,
    first_outer: u32,
    first_k: u32,
    outers: u32,
    ks: u32,
    stride: u32,
    #[comptime] form: Form,
) {
    let (block_k, block_outer) = block(form);
    let k = first_k + block_k;
    let outer = first_outer + block_outer;
    if comptime!(form.k_last) {
        let mut rows = Array::<Four>::new(4usize);
        #[unroll]
        for i in 0..4u32 {
            let row = min(outer + i, outers - 1);
            let at = first + row * stride + min(k, ks - 4) / 4;
            rows[i as usize] = select(k < ks, from[at as usize], Four::new(0.0f32));
        }
        #[unroll]
        for j in 0..4usize {
            let mut column = Four::empty();
            #[unroll]
            for i in 0..4usize {
                column[i] = rows[i][j];
            }
            to[j] = column;
        }
    } else {
        let column = min(outer, outers - 4) / 4;
        #[unroll]
        for j in 0..4u32 {
            let row = min(k + j, ks - 1);
            let at = first + row * stride + column;
            to[j as usize] = select(k + j < ks, from[at as usize], Four::new(0.0f32));
        }
    }
}

/// Reads this unit's block of its operand, from step `k` on.
#[cube]
fn load_next(
    lhs: &Array<Four>,
    rhs: &Array<Four>,
    to: &mut Array<Four>,
    k: u32,
    sizes: &Sizes,
    #[comptime] lhs_form: Form,
    #[comptime] rhs_form: Form,
) {
    if UNIT_POS < comptime!(UNITS / 2) {
        let (first, row) = (
            CUBE_POS_Z * sizes.lhs_batch,
            CUBE_POS_Y * comptime!(TILE as u32),
        );
        load(
            lhs,
            to,
            first,
            row,
            k,
            sizes.m,
            sizes.k,
            sizes.lhs_stride,
            lhs_form,
        );
    } else {
        let (first, column) = (
            CUBE_POS_Z * sizes.rhs_batch,
            CUBE_POS_X * comptime!(TILE as u32),
        );
        load(
            rhs,
            to,
            first,
            column,
            k,
            sizes.n,
            sizes.k,
            sizes.rhs_stride,
            rhs_form,
        );
    }
}

/// Writes the block into shared memory, `[STEPS][ROW]`.
#[cube]
fn store(from: &Array<Four>, to: &mut SharedMemory<Four>, #[comptime] form: Form) {
    let (k, outer) = block(form);
    #[unroll]
    for j in 0..4usize {
        let at = (k as usize + j) * comptime!(ROW) + (outer / 4) as usize;
        to[at] = from[j];
    }
}

#[cube(launch_unchecked)]
pub(super) fn product(
    lhs: &Array<Four>,
    rhs: &Array<Four>,
    out: &mut Array<Four>,
    sizes: Sizes,
    #[comptime] lhs_form: Form,
    #[comptime] rhs_form: Form,
) {
    let mut left = SharedMemory::<Four>::new(comptime!(STEPS * ROW));
    let mut right = SharedMemory::<Four>::new(comptime!(STEPS * ROW));
    let mut next = Array::<Four>::new(4usize);
    // Eight rows of two vectors each.
    let mut sums = Array::<Four>::new(16usize);
    #[unroll]
    for i in 0..16usize {
        sums[i] = Four::new(0.0f32);
    }
    let first_row = CUBE_POS_Y * comptime!(TILE as u32);
    let first_column = CUBE_POS_X * comptime!(TILE as u32);
    let x = (UNIT_POS % 16) as usize;
    let y = (UNIT_POS / 16) as usize;

    let moves_left = UNIT_POS < comptime!(UNITS / 2);
    load_next(lhs, rhs, &mut next, 0u32, &sizes, lhs_form, rhs_form);
    let mut k = 0u32;
    while k < sizes.k {
        // Whoever read the last steps has done so.
        sync_cube();
        if moves_left {
            store(&next, &mut left, lhs_form);
        } else {
            store(&next, &mut right, rhs_form);
        }
        sync_cube();
        k += comptime!(STEPS as u32);
        if k < sizes.k {
            load_next(lhs, rhs, &mut next, k, &sizes, lhs_form, rhs_form);
        }
        for eight in 0..comptime!(STEPS / 8) {
            #[unroll]
            for step in 0..8usize {
                let row = (8 * eight + step) * comptime!(ROW);
                let mut a = Array::<Four>::new(2usize);
                let mut b = Array::<Four>::new(2usize);
                #[unroll]
                for half in 0..2usize {
                    a[half] = left[row + y + half * comptime!(TILE / 8)];
                    b[half] = right[row + x + half * comptime!(TILE / 8)];
                }
                #[unroll]
                for i in 0..8usize {
                    let factor = Four::new(a[i / 4][i % 4]);
                    #[unroll]
                    for half in 0..2usize {
                        sums[2 * i + half] = fma(factor, b[half], sums[2 * i + half]);
                    }
                }
            }
        }
    }

    #[unroll]
    for i in 0..8usize {
        let row = first_row + 4 * y as u32 + comptime!((i / 4 * TILE / 2 + i % 4) as u32);
        if row < sizes.m {
            let line = (CUBE_POS_Z * sizes.m + row) * (sizes.n / 4);
            #[unroll]
            for half in 0..2usize {
                let column = first_column / 4 + x as u32 + comptime!((half * TILE / 8) as u32);
                if column < sizes.n / 4 {
                    out[(line + column) as usize] = sums[2 * i + half];
                }
            }
        }
    }
}
