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
    let mut shared = SharedMemory::<f32>::new(UNITS as usize);
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
    shared[UNIT_POS as usize] = elements_sum::<N>((a + b) + (c + d));
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
    if inside && UNIT_POS == 0u32 {
        totals[cube as usize] = shared[0];
    }
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
