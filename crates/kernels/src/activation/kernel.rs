use std::f32::consts::FRAC_1_SQRT_2;

use cubecl::prelude::*;

use super::ActivationKind;

/// 1 / sqrt(2 pi).
const DENSITY: f32 = 0.398_942_3;

#[cube]
fn cumulative<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let erf = (x * Vector::new(FRAC_1_SQRT_2)).erf();
    (erf + Vector::new(1.0f32)) * Vector::new(0.5f32)
}

#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0f32);
    one / (one + (x * Vector::new(-1.702f32)).exp())
}

/// One unit a vector; `width` is a row's length in vectors.
#[cube(launch_unchecked)]
pub(super) fn forward<N: Size>(
    x: &Array<Vector<f32, N>>,
    bias: &Array<Vector<f32, N>>,
    y: &mut Array<Vector<f32, N>>,
    width: u32,
    #[comptime] biased: bool,
    #[comptime] kind: ActivationKind,
) {
    let at = ABSOLUTE_POS;
    if at < y.len() {
        let mut from = x[at];
        if comptime!(biased) {
            from += bias[at % width as usize];
        }
        if comptime!(kind == ActivationKind::Gelu) {
            y[at] = from * cumulative::<N>(from);
        } else {
            y[at] = from * sigmoid::<N>(from);
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward<N: Size>(
    x: &Array<Vector<f32, N>>,
    bias: &Array<Vector<f32, N>>,
    dy: &Array<Vector<f32, N>>,
    dx: &mut Array<Vector<f32, N>>,
    width: u32,
    #[comptime] biased: bool,
    #[comptime] kind: ActivationKind,
) {
    let at = ABSOLUTE_POS;
    if at < dx.len() {
        let mut from = x[at];
        if comptime!(biased) {
            from += bias[at % width as usize];
        }
        if comptime!(kind == ActivationKind::Gelu) {
            let density = (from * from * Vector::new(-0.5f32)).exp() * Vector::new(DENSITY);
            dx[at] = dy[at] * (cumulative::<N>(from) + from * density);
        } else {
            let s = sigmoid::<N>(from);
            let slope = from * Vector::new(1.702f32) * s * (Vector::new(1.0f32) - s);
            dx[at] = dy[at] * (s + slope);
        }
    }
}
