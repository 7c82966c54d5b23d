use cubecl::prelude::*;

use crate::rows::{LANES, SHARED, lane, row, row_dot};

/// `width` is a row's length in vectors.
#[cube(launch_unchecked)]
pub(super) fn forward<N: Size>(
    x: &Array<Vector<f32, N>>,
    y: &mut Array<Vector<f32, N>>,
    norms: &mut Array<f32>,
    rows: u32,
    width: u32,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    // Units past the end go along, so that every barrier is met by all.
    let inside = at < rows;
    let begin = select(inside, at, 0u32) * width;

    let norm = row_dot::<N>(x, x, begin, width, &mut shared).sqrt();

    if inside {
        if lane == 0 {
            norms[at as usize] = norm;
        }
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            y[place] = x[place] / Vector::new(norm);
            column += LANES;
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward<N: Size>(
    y: &Array<Vector<f32, N>>,
    norms: &Array<f32>,
    dy: &Array<Vector<f32, N>>,
    dx: &mut Array<Vector<f32, N>>,
    rows: u32,
    width: u32,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    let inside = at < rows;
    let begin = select(inside, at, 0u32) * width;

    let along = row_dot::<N>(dy, y, begin, width, &mut shared);

    if inside {
        let norm = norms[at as usize];
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            dx[place] = (dy[place] - y[place] * Vector::new(along)) / Vector::new(norm);
            column += LANES;
        }
    }
}
