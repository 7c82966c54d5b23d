use cubecl::prelude::*;

use crate::rows::{LANES, SHARED, elements_sum, lane, row, row_dot, row_max, row_sum};

/// `width` is a row's length in vectors.
#[cube(launch_unchecked)]
pub(super) fn forward<N: Size>(
    x: &Array<Vector<f32, N>>,
    y: &mut Array<Vector<f32, N>>,
    rows: u32,
    width: u32,
    scale: f32,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    // Units past the end go along, so that every barrier is met by all.
    let inside = at < rows;
    let begin = select(inside, at, 0u32) * width;

    // Units past the row's width repeat its first value, which changes no maximum.
    let mut largest = x[begin as usize][0];
    let mut column = lane;
    while column < width {
        let values = x[(begin + column) as usize];
        #[unroll]
        for i in 0..N::value() {
            largest = select(values[i] > largest, values[i], largest);
        }
        column += LANES;
    }
    let largest = row_max(largest, &mut shared);

    let mut sum = 0.0f32;
    let mut column = lane;
    while column < width {
        let away = x[(begin + column) as usize] - Vector::new(largest);
        sum += elements_sum::<N>((away * Vector::new(scale)).exp());
        column += LANES;
    }
    let sum = row_sum(sum, &mut shared);

    if inside {
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            let away = x[place] - Vector::new(largest);
            y[place] = (away * Vector::new(scale)).exp() / Vector::new(sum);
            column += LANES;
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward<N: Size>(
    y: &Array<Vector<f32, N>>,
    dy: &Array<Vector<f32, N>>,
    dx: &mut Array<Vector<f32, N>>,
    rows: u32,
    width: u32,
    scale: f32,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    let inside = at < rows;
    let begin = select(inside, at, 0u32) * width;

    let along = row_dot::<N>(dy, y, begin, width, &mut shared);

    if inside {
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            dx[place] = y[place] * (dy[place] - Vector::new(along)) * Vector::new(scale);
            column += LANES;
        }
    }
}
