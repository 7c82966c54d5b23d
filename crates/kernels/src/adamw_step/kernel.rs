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

// Places in the lists below.
const FIRST_CUBE: usize = 0;
const FROM_START: usize = 1;
const TENSOR: usize = 2;

const LERP: usize = 0;
const DECAY: usize = 1;
const BETA2: usize = 2;
const ONE_MINUS_BETA2: usize = 3;
const MINUS_STEP_SIZE: usize = 4;
const CORRECTION2_SQRT: usize = 5;
const EPS: usize = 6;

const PARAM: usize = 0;
const GRAD: usize = 1;
const EXP_AVG: usize = 2;
const EXP_AVG_SQ: usize = 3;
const MAX_EXP_AVG_SQ: usize = 4;

/// One unit an element, or a vector of `N`. Cubes `first_cube..` up to the next
/// tensor's first belong to a tensor.
///
/// Buffers have no numbers that a kernel could compute: each tensor has code of its
/// own, found by halves. That reads and writes; the arithmetic is there once, or a GPU
/// would spend its time on reading code.
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
    let minus_zero = minus_zero.get::<F>();
    let mut numbers = Array::<u32>::new(3usize);
    let mut scalars = Array::<F>::new(7usize);
    let mut state = Array::<Vector<F, N>>::new(5usize);
    #[unroll]
    for role in 0..5usize {
        state[role] = Vector::zeroed();
    }
    read_tensor::<F, N>(
        param,
        grad,
        exp_avg,
        exp_avg_sq,
        max_exp_avg_sq,
        tensors,
        &mut numbers,
        &mut scalars,
        &mut state,
        0usize,
        count,
        amsgrad,
    );
    let g = state[GRAD];
    let m = state[EXP_AVG];

    let moved = product::<F, N>(g - m, scalars[LERP], minus_zero);
    let from = if numbers[FROM_START] == 1u32 { m } else { g };
    let m = from + moved;

    let kept = product::<F, N>(state[EXP_AVG_SQ], scalars[BETA2], minus_zero);
    let scaled = g * Vector::new(scalars[ONE_MINUS_BETA2]);
    let v = kept + fma(scaled, g, Vector::new(minus_zero));

    let mut largest = v;
    if amsgrad {
        let max = state[MAX_EXP_AVG_SQ];
        // As a comparison and a choice, so that NaN goes the same way.
        largest = select_many(max.less_than(v), v, max);
    }
    let denom = largest.sqrt() / Vector::new(scalars[CORRECTION2_SQRT]) + Vector::new(scalars[EPS]);

    let decayed = product::<F, N>(state[PARAM], scalars[DECAY], minus_zero);
    let change = m * Vector::new(scalars[MINUS_STEP_SIZE]) / denom;
    state[PARAM] = decayed + change;
    state[EXP_AVG] = m;
    state[EXP_AVG_SQ] = v;
    state[MAX_EXP_AVG_SQ] = largest;
    write_tensor::<F, N>(
        new_param,
        new_exp_avg,
        new_exp_avg_sq,
        new_max_exp_avg_sq,
        &state,
        own_index(numbers[FIRST_CUBE]),
        numbers[TENSOR],
        0usize,
        count,
        amsgrad,
    );
}

/// Of this unit in its tensor, of vectors.
#[cube]
fn own_index(first_cube: u32) -> usize {
    ((CUBE_POS as u32 - first_cube) * CUBE_DIM + UNIT_POS) as usize
}

/// The cube's tensor, one of `first..end`: its number and scalars, and this unit's part
/// of its buffers. The last tensor also gets the cubes that fill the grid up; they lie
/// past its end.
#[cube]
fn read_tensor<F: Float, N: Size>(
    param: &Sequence<Array<Vector<F, N>>>,
    grad: &Sequence<Array<Vector<F, N>>>,
    exp_avg: &Sequence<Array<Vector<F, N>>>,
    exp_avg_sq: &Sequence<Array<Vector<F, N>>>,
    max_exp_avg_sq: &Sequence<Array<Vector<F, N>>>,
    tensors: &Sequence<TensorArgs>,
    numbers: &mut Array<u32>,
    scalars: &mut Array<F>,
    state: &mut Array<Vector<F, N>>,
    #[comptime] first: usize,
    #[comptime] end: usize,
    #[comptime] amsgrad: bool,
) {
    if comptime!(end - first > 1) {
        let middle = comptime!((first + end) / 2);
        if (CUBE_POS as u32) < tensors.index(middle).first_cube {
            read_tensor::<F, N>(
                param,
                grad,
                exp_avg,
                exp_avg_sq,
                max_exp_avg_sq,
                tensors,
                numbers,
                scalars,
                state,
                first,
                middle,
                amsgrad,
            );
        } else {
            read_tensor::<F, N>(
                param,
                grad,
                exp_avg,
                exp_avg_sq,
                max_exp_avg_sq,
                tensors,
                numbers,
                scalars,
                state,
                middle,
                end,
                amsgrad,
            );
        }
    } else {
        let own = tensors.index(first);
        let i = own_index(own.first_cube);
        if i < param.index(first).len() {
            state[PARAM] = param.index(first)[i];
            state[GRAD] = grad.index(first)[i];
            state[EXP_AVG] = exp_avg.index(first)[i];
            state[EXP_AVG_SQ] = exp_avg_sq.index(first)[i];
            if amsgrad {
                state[MAX_EXP_AVG_SQ] = max_exp_avg_sq.index(first)[i];
            }
        }
        numbers[FIRST_CUBE] = own.first_cube;
        numbers[FROM_START] = own.from_start;
        numbers[TENSOR] = comptime!(first as u32);
        scalars[LERP] = own.lerp.get::<F>();
        scalars[DECAY] = own.decay.get::<F>();
        scalars[BETA2] = own.beta2.get::<F>();
        scalars[ONE_MINUS_BETA2] = own.one_minus_beta2.get::<F>();
        scalars[MINUS_STEP_SIZE] = own.minus_step_size.get::<F>();
        scalars[CORRECTION2_SQRT] = own.correction2_sqrt.get::<F>();
        scalars[EPS] = own.eps.get::<F>();
    }
}

/// The counterpart: `state` to element `i` of the tensor with this number.
#[cube]
fn write_tensor<F: Float, N: Size>(
    new_param: &mut Sequence<Array<Vector<F, N>>>,
    new_exp_avg: &mut Sequence<Array<Vector<F, N>>>,
    new_exp_avg_sq: &mut Sequence<Array<Vector<F, N>>>,
    new_max_exp_avg_sq: &mut Sequence<Array<Vector<F, N>>>,
    state: &Array<Vector<F, N>>,
    i: usize,
    tensor: u32,
    #[comptime] first: usize,
    #[comptime] end: usize,
    #[comptime] amsgrad: bool,
) {
    if comptime!(end - first > 1) {
        let middle = comptime!((first + end) / 2);
        if tensor < comptime!(middle as u32) {
            write_tensor::<F, N>(
                new_param,
                new_exp_avg,
                new_exp_avg_sq,
                new_max_exp_avg_sq,
                state,
                i,
                tensor,
                first,
                middle,
                amsgrad,
            );
        } else {
            write_tensor::<F, N>(
                new_param,
                new_exp_avg,
                new_exp_avg_sq,
                new_max_exp_avg_sq,
                state,
                i,
                tensor,
                middle,
                end,
                amsgrad,
            );
        }
    } else if i < new_param.index(first).len() {
        new_param.index_mut(first)[i] = state[PARAM];
        new_exp_avg.index_mut(first)[i] = state[EXP_AVG];
        new_exp_avg_sq.index_mut(first)[i] = state[EXP_AVG_SQ];
        if amsgrad {
            new_max_exp_avg_sq.index_mut(first)[i] = state[MAX_EXP_AVG_SQ];
        }
    }
}
