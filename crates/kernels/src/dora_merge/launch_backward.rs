//! The launches of the backward pass.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::backward::{self, COLUMNS, MOST_RANKS, MOST_ROWS};
use super::config::{Config, Path};
use super::forward::Term;
use super::launch::{Inputs, Launch, array, check, config, reduce_typed, sweep, with_types};
use super::{Layout, MergeError, NormGradient, Problem, Storage};

/// The gradients of the trained tensors, each like the tensor.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of A `[rank, in]`, in the factors' type.
    pub lora_a: Handle,
    /// Of B `[out, rank]`, in the factors' type.
    pub lora_b: Handle,
    /// Of m `[out]`, f32.
    pub magnitude: Handle,
}

/// Computes the gradients of A, B and m from that of W', `gradient`, and the
/// `norm` that [`forward`](super::forward) returned. `gradient` is like W.
///
/// With the norm detached, G and W are read once: two launches, the second of
/// which sums what the cubes found. Through the norm, <G, V> of each channel
/// comes first: three launches, and G and W are read twice.
///
/// # Errors
/// As [`forward`](super::forward).
pub fn backward<R: Runtime>(
    client: &ComputeClient<R>,
    problem: &Problem,
    inputs: &Inputs,
    norm: &Handle,
    gradient: &Handle,
    through: NormGradient,
) -> Result<Gradients, MergeError> {
    check(client, problem, inputs)?;
    let (rank, size) = (problem.rank, problem.factors.size());
    let gradients = Gradients {
        lora_a: client.empty(rank * problem.d_in * size),
        lora_b: client.empty(rank * problem.d_out * size),
        magnitude: client.empty(problem.d_out * 4),
    };
    let given = Given {
        inputs,
        norm,
        gradient,
        full: through == NormGradient::Full,
    };
    with_types!(
        problem,
        backward_typed::<R>(client, problem, &given, &gradients)
    );
    Ok(gradients)
}

/// The number of kernel launches of [`backward`].
pub fn backward_launches(through: NormGradient) -> usize {
    match through {
        NormGradient::Detached => 2,
        NormGradient::Full => 3,
    }
}

struct Given<'a> {
    inputs: &'a Inputs,
    norm: &'a Handle,
    gradient: &'a Handle,
    full: bool,
}

/// Blocks of 16 rows for each cube: about 264 cubes (two for each processor of
/// a large GPU), whatever the device, as the sums' order depends on it.
fn blocks([p, q]: [usize; 2]) -> usize {
    let cubes = 264 / q.div_ceil(COLUMNS).min(264);
    p.div_ceil(cubes.max(1))
        .div_ceil(16)
        .clamp(1, MOST_ROWS / 16)
}

fn backward_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    client: &ComputeClient<R>,
    problem: &Problem,
    given: &Given<'_>,
    gradients: &Gradients,
) {
    let [p, q] = problem.extent();
    let rank = problem.rank;
    let blocks = blocks([p, q]);
    let config = Config {
        guard: !p.is_multiple_of(blocks * 16) || !q.is_multiple_of(COLUMNS),
        ..config(client, problem, Path::Down, [1, 8], 1)
    }
    .with_slab(blocks * 16);
    let chunk = rank.next_multiple_of(16).min(MOST_RANKS);
    let launch = Launch::new(client, problem, config);
    let (x, y) = (q.div_ceil(COLUMNS), p.div_ceil(blocks * 16));

    // <G, V>: beforehand for the full gradient, else as the kernel goes.
    let dot_splits;
    let dots;
    if given.full {
        let reduce = Launch::new(client, problem, sweep(client, problem));
        dot_splits = reduce.splits() as usize;
        dots = client.empty(dot_splits * problem.d_out * 4);
        reduce_typed::<R, W, A>(
            &reduce,
            given.inputs,
            Some(given.gradient),
            &dots,
            Term::Gradient,
        );
    } else {
        dot_splits = match problem.layout {
            Layout::OutIn => x,
            Layout::InOut => y,
        };
        dots = client.empty(dot_splits * problem.d_out * 4);
    }

    let (lefts, rights) = (p * rank, q * rank);
    let (d_left, d_right) = (client.empty(x * lefts * 4), client.empty(y * rights * 4));
    let widths = launch.widths();
    let (left, right) = launch.factors(given.inputs);
    let (left_elements, right_elements) = launch.factors(given.inputs);
    let norm = array(given.norm, problem.d_out);
    // SAFETY: with `guard` every access to the weight is checked in the kernel,
    // without it the cubes cover the extent exactly; accesses to the factors and
    // to the partials are checked always.
    #[allow(unsafe_code)]
    unsafe {
        backward::gradients::launch_unchecked::<W, A, R>(
            client,
            CubeCount::Static((x * rank.div_ceil(chunk)) as u32, y as u32, 1),
            CubeDim::new_1d(256),
            widths.weight,
            widths.left,
            widths.right,
            launch.weight(&given.inputs.weight),
            launch.weight(given.gradient),
            left,
            right,
            left_elements,
            right_elements,
            launch.base_norm(given.inputs),
            array(&given.inputs.magnitude, problem.d_out),
            norm,
            array(&dots, dot_splits * problem.d_out),
            array(&d_left, x * lefts),
            array(&d_right, y * rights),
            launch.extent(),
            problem.scaling,
            problem.eps,
            dot_splits as u32,
            blocks,
            given.full,
            chunk,
            config,
        );
    }

    let (into_left, into_right) = match problem.layout {
        Layout::OutIn => (&gradients.lora_b, &gradients.lora_a),
        Layout::InOut => (&gradients.lora_a, &gradients.lora_b),
    };
    let all = lefts + rights + problem.d_out;
    // SAFETY: the kernel checks its position against the three lengths.
    #[allow(unsafe_code)]
    unsafe {
        backward::finish::launch_unchecked::<A, R>(
            client,
            CubeCount::Static(all.div_ceil(256) as u32, 1, 1),
            CubeDim::new_1d(256),
            array(&d_left, x * lefts),
            array(&d_right, y * rights),
            array(&dots, dot_splits * problem.d_out),
            array(given.norm, problem.d_out),
            array(into_left, lefts),
            array(into_right, rights),
            array(&gradients.magnitude, problem.d_out),
            problem.scaling,
            problem.eps,
            x as u32,
            y as u32,
            dot_splits as u32,
        );
    }
}
