use cubecl::prelude::*;

use crate::rows::{LANES, SHARED, elements_sum, lane, row, row_sum};

/// `width` is a row's length in vectors, `count` in elements.
#[cube(launch_unchecked)]
pub(super) fn forward<N: Size>(
    x: &Array<Vector<f32, N>>,
    gamma: &Array<Vector<f32, N>>,
    beta: &Array<Vector<f32, N>>,
    y: &mut Array<Vector<f32, N>>,
    mean: &mut Array<f32>,
    rstd: &mut Array<f32>,
    rows: u32,
    width: u32,
    count: f32,
    eps: f32,
    #[comptime] shift: bool,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    // Units past the end go along, so that every barrier is met by all.
    let inside = at < rows;
    let begin = select(inside, at, 0u32) * width;

    let mut sum = 0.0f32;
    let mut column = lane;
    while column < width {
        sum += elements_sum::<N>(x[(begin + column) as usize]);
        column += LANES;
    }
    let centre = row_sum(sum, &mut shared) / count;

    let mut squares = 0.0f32;
    let mut column = lane;
    while column < width {
        let away = x[(begin + column) as usize] - Vector::new(centre);
        squares += elements_sum::<N>(away * away);
        column += LANES;
    }
    let variance = row_sum(squares, &mut shared) / count;
    let scale = 1.0f32 / (variance + eps).sqrt();

    if inside {
        if lane == 0 {
            mean[at as usize] = centre;
            rstd[at as usize] = scale;
        }
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            let away = x[place] - Vector::new(centre);
            let mut out = away * Vector::new(scale) * gamma[column as usize];
            if comptime!(shift) {
                out += beta[column as usize];
            }
            y[place] = out;
            column += LANES;
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward<N: Size>(
    x: &Array<Vector<f32, N>>,
    gamma: &Array<Vector<f32, N>>,
    mean: &Array<f32>,
    rstd: &Array<f32>,
    dy: &Array<Vector<f32, N>>,
    dx: &mut Array<Vector<f32, N>>,
    rows: u32,
    width: u32,
    count: f32,
) {
    let mut shared = SharedMemory::<f32>::new(SHARED);
    let lane = lane();
    let at = row();
    let inside = at < rows;
    let own = select(inside, at, 0u32);
    let begin = own * width;
    let centre = mean[own as usize];
    let scale = rstd[own as usize];

    let mut sum = 0.0f32;
    let mut along = 0.0f32;
    let mut column = lane;
    while column < width {
        let place = (begin + column) as usize;
        let h = (x[place] - Vector::new(centre)) * Vector::new(scale);
        let g = dy[place] * gamma[column as usize];
        sum += elements_sum::<N>(g);
        along += elements_sum::<N>(g * h);
        column += LANES;
    }
    let sum = row_sum(sum, &mut shared) / count;
    let along = row_sum(along, &mut shared) / count;

    if inside {
        let mut column = lane;
        while column < width {
            let place = (begin + column) as usize;
            let h = (x[place] - Vector::new(centre)) * Vector::new(scale);
            let g = dy[place] * gamma[column as usize];
            dx[place] = (g - Vector::new(sum) - h * Vector::new(along)) * Vector::new(scale);
            column += LANES;
        }
    }
}
