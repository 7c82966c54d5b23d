use cubecl::prelude::*;

use crate::grid::UNITS;
use crate::rows::elements_sum;

/// One cube a chunk of `chunk` vectors, one total a cube.
#[cube(launch_unchecked)]
pub(super) fn sum<N: Size>(
    x: &Array<Vector<f32, N>>,
    totals: &mut Array<f32>,
    chunk: u32,
    #[comptime] squares: bool,
) {
    let cube = CUBE_POS as u32;
    let len = x.len() as u32;
    // Cubes past the end go along, so that every barrier is met by all.
    let inside = cube < totals.len() as u32;
    let begin = select(inside, cube, 0u32) * chunk;
    let end = select(
        inside,
        select(len - begin < chunk, len, begin + chunk),
        0u32,
    );

    let total = of_cube(of_unit::<N>(x, begin, end, squares));
    if inside && UNIT_POS == 0u32 {
        totals[cube as usize] = total;
    }
}

/// Where a tensor's total goes.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Place {
    pub at: u32,
}

/// One cube a tensor of at most a chunk: its total, as [`sum`] gives it.
///
/// Each tensor has code of its own for what a unit reads: buffers have no numbers that a kernel could compute.
#[cube(launch_unchecked)]
pub(super) fn sum_each<N: Size>(
    x: &Sequence<Array<Vector<f32, N>>>,
    totals: &mut Array<f32>,
    places: &Sequence<Place>,
    #[comptime] count: usize,
    #[comptime] squares: bool,
) {
    let cube = CUBE_POS as u32;
    let mut own = 0.0f32;
    let mut place = 0u32;
    #[unroll]
    for tensor in 0..count {
        if cube == comptime!(tensor as u32) {
            let x = x.index(tensor);
            own = of_unit::<N>(x, 0u32, x.len() as u32, squares);
            place = places.index(tensor).at;
        }
    }
    let total = of_cube(own);
    if cube < comptime!(count as u32) && UNIT_POS == 0u32 {
        totals[place as usize] = total;
    }
}

/// The unit's part of the vectors from `begin` to `end`.
#[cube]
fn of_unit<N: Size>(
    x: &Array<Vector<f32, N>>,
    begin: u32,
    end: u32,
    #[comptime] squares: bool,
) -> f32 {
    let mut a = Vector::<f32, N>::new(0.0f32);
    let mut b = Vector::<f32, N>::new(0.0f32);
    let mut c = Vector::<f32, N>::new(0.0f32);
    let mut d = Vector::<f32, N>::new(0.0f32);
    let mut at = begin + UNIT_POS;
    while at < end {
        a = added::<N>(a, x, at, end, squares);
        b = added::<N>(b, x, at + UNITS, end, squares);
        c = added::<N>(c, x, at + 2u32 * UNITS, end, squares);
        d = added::<N>(d, x, at + 3u32 * UNITS, end, squares);
        at += 4u32 * UNITS;
    }
    elements_sum::<N>((a + b) + (c + d))
}

/// The sum of all units' `own`, for all of them.
#[cube]
fn of_cube(own: f32) -> f32 {
    let mut shared = SharedMemory::<f32>::new(UNITS as usize);
    shared[UNIT_POS as usize] = own;
    sync_cube();
    #[unroll]
    for step in 1..comptime!(UNITS.ilog2() + 1) {
        let half = UNITS >> step;
        if UNIT_POS < half {
            let other = shared[(UNIT_POS + half) as usize];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
    }
    shared[0]
}

/// `sum` and the vector at `at`, or its squares, if it comes before `end`.
#[cube]
fn added<N: Size>(
    sum: Vector<f32, N>,
    x: &Array<Vector<f32, N>>,
    at: u32,
    end: u32,
    #[comptime] squares: bool,
) -> Vector<f32, N> {
    let inside = at < end;
    let values = x[select(inside, at, 0u32) as usize];
    let more = if squares {
        fma(values, values, sum)
    } else {
        sum + values
    };
    select(inside, more, sum)
}
