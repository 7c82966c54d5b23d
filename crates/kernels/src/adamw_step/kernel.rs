use cubecl::prelude::*;

/// The scalars of one tensor; those of the arithmetic in its type.
#[derive(CubeType, CubeLaunch)]
pub(super) struct TensorArgs {
    /// The first cube that works on this tensor.
    pub first_cube: u32,
    /// 1 if the first moment moves from itself, 0 if back from the gradient.
    pub from_start: u32,
    pub lerp: InputScalar,
    pub decay: InputScalar,
    pub beta2: InputScalar,
    pub one_minus_beta2: InputScalar,
    pub minus_step_size: InputScalar,
    pub correction2_sqrt: InputScalar,
    pub eps: InputScalar,
}

/// `a * b`, rounded, in a form that no compiler can fuse with an addition that
/// follows: `fma(a, b, -0)`, where -0 comes from outside. It is the product in
/// every case, because adding -0 changes neither a number nor a zero's sign.
#[cube]
fn product<F: Float, N: Size>(a: Vector<F, N>, b: F, minus_zero: F) -> Vector<F, N> {
    fma(a, Vector::new(b), Vector::new(minus_zero))
}

/// One unit an element, or a vector of `N`. Cubes `first_cube..` up to the next
/// tensor's first belong to a tensor.
#[cube(launch_unchecked)]
pub(super) fn step_tensors<F: Float, N: Size>(
    param: &Sequence<Array<Vector<F, N>>>,
    grad: &Sequence<Array<Vector<F, N>>>,
    exp_avg: &Sequence<Array<Vector<F, N>>>,
    exp_avg_sq: &Sequence<Array<Vector<F, N>>>,
    max_exp_avg_sq: &Sequence<Array<Vector<F, N>>>,
    new_param: &mut Sequence<Array<Vector<F, N>>>,
    new_exp_avg: &mut Sequence<Array<Vector<F, N>>>,
    new_exp_avg_sq: &mut Sequence<Array<Vector<F, N>>>,
    new_max_exp_avg_sq: &mut Sequence<Array<Vector<F, N>>>,
    tensors: &Sequence<TensorArgs>,
    minus_zero: InputScalar,
    #[comptime] count: usize,
    #[comptime] amsgrad: bool,
    #[define(F)] _dtype: StorageType,
) {
    let cube = CUBE_POS as u32;
    let minus_zero = minus_zero.get::<F>();
    #[unroll]
    for t in 0..count {
        let scalars = tensors.index(t);
        let mut mine = cube >= scalars.first_cube;
        if comptime!(t + 1 < count) {
            let next = comptime!(t + 1);
            mine = mine && cube < tensors.index(next).first_cube;
        }
        let i = ((cube - scalars.first_cube) * CUBE_DIM + UNIT_POS) as usize;
        // The last tensor also gets the cubes that fill the grid up; they lie
        // past its end.
        if mine && i < param.index(t).len() {
            let g = grad.index(t)[i];
            let m = exp_avg.index(t)[i];

            let moved = product::<F, N>(g - m, scalars.lerp.get::<F>(), minus_zero);
            let from = if scalars.from_start == 1u32 { m } else { g };
            let m = from + moved;

            let kept =
                product::<F, N>(exp_avg_sq.index(t)[i], scalars.beta2.get::<F>(), minus_zero);
            let scaled = g * Vector::new(scalars.one_minus_beta2.get::<F>());
            let v = kept + fma(scaled, g, Vector::new(minus_zero));

            new_exp_avg.index_mut(t)[i] = m;
            new_exp_avg_sq.index_mut(t)[i] = v;

            let mut largest = v;
            if amsgrad {
                let max = max_exp_avg_sq.index(t)[i];
                // As a comparison and a choice, so that NaN goes the same way.
                largest = select_many(max.less_than(v), v, max);
                new_max_exp_avg_sq.index_mut(t)[i] = largest;
            }
            let denom = largest.sqrt() / Vector::new(scalars.correction2_sqrt.get::<F>())
                + Vector::new(scalars.eps.get::<F>());

            let decayed = product::<F, N>(param.index(t)[i], scalars.decay.get::<F>(), minus_zero);
            let change = m * Vector::new(scalars.minus_step_size.get::<F>()) / denom;
            new_param.index_mut(t)[i] = decayed + change;
        }
    }
}
