//! Sums over the rows of a matrix, each by 32 neighbouring units of a cube, in a fixed order
//! that does not depend on how many units a device runs in step.

use cubecl::prelude::*;

use crate::grid::UNITS;

/// Units of one row.
pub(crate) const LANES: u32 = 32;
/// Rows of a cube.
pub(crate) const ROWS: u32 = UNITS / LANES;

/// Floats of shared memory that [`row_sum`] and [`row_max`] need.
pub(crate) const SHARED: usize = UNITS as usize;

/// This unit's place in its row.
#[cube]
pub(crate) fn lane() -> u32 {
    UNIT_POS % LANES
}

/// This unit's row, which may lie past the last one.
#[cube]
pub(crate) fn row() -> u32 {
    (CUBE_POS as u32) * ROWS + UNIT_POS / LANES
}

/// The sum over a row of what each of its units gives. Every unit of the cube must call it.
#[cube]
pub(crate) fn row_sum(value: f32, shared: &mut SharedMemory<f32>) -> f32 {
    // Whoever read what the last sum left has done so.
    sync_cube();
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let first = (UNIT_POS / LANES * LANES) as usize;
    let mut sum = 0.0f32;
    for lane in 0..LANES as usize {
        sum += shared[first + lane];
    }
    sum
}

/// The largest over a row of what each of its units gives. Every unit of the cube must call it.
#[cube]
pub(crate) fn row_max(value: f32, shared: &mut SharedMemory<f32>) -> f32 {
    sync_cube();
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let first = (UNIT_POS / LANES * LANES) as usize;
    let mut largest = shared[first];
    for lane in 1..LANES as usize {
        let other = shared[first + lane];
        largest = select(other > largest, other, largest);
    }
    largest
}

/// The sum over a row, which begins at `begin` and is `width` vectors long, of the products of `a`'s
/// and `b`'s elements. Every unit of the cube must call it.
#[cube]
pub(crate) fn row_dot<N: Size>(
    a: &Array<Vector<f32, N>>,
    b: &Array<Vector<f32, N>>,
    begin: u32,
    width: u32,
    shared: &mut SharedMemory<f32>,
) -> f32 {
    let mut sum = 0.0f32;
    let mut column = lane();
    while column < width {
        let place = (begin + column) as usize;
        sum += elements_sum::<N>(a[place] * b[place]);
        column += LANES;
    }
    row_sum(sum, shared)
}

/// The sum of a vector's elements, first to last.
#[cube]
pub(crate) fn elements_sum<N: Size>(values: Vector<f32, N>) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..N::value() {
        sum += values[i];
    }
    sum
}
