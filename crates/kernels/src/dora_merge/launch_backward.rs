//! The launches of the backward pass.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::finish::{self, FinishConfig};
use super::launch::{Inputs, array, check, matrix_products, with_types};
use super::launch_masked::masked_typed;
use super::launch_product::{GRAM_SPLITS, Launches, Product, SPLITS, Sums};
use super::launch_sweep::Sweep;
use super::product_config::Pass;
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
/// One pass over G and W for what lies along the channels, one over G (through
/// the norm over W too) for what lies along the inputs, each with a small launch
/// that sums what its cubes found. Through the norm the factors' own products,
/// `[rank, rank]`, take four more. No matrix like the weight is written.
///
/// With a mask it is one pass over G and W for <G, V>, one that writes dL/d(B·A) in
/// f32, which has no low rank then, and a product of that with each factor. The mask
/// is made again in both passes.
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
    if inputs.mask.is_some() {
        let sweep = Sweep::new(client, problem, inputs)?;
        with_types!(problem, masked_typed::<R>(&sweep, &given, &gradients));
    } else {
        with_types!(
            problem,
            backward_typed::<R>(client, problem, &given, &gradients)
        );
    }
    Ok(gradients)
}

/// The number of kernel launches of [`backward`], with a mask of the update or
/// without.
pub fn backward_launches(through: NormGradient, masked: bool) -> usize {
    match (masked, through) {
        (true, _) => 6,
        (false, NormGradient::Detached) => 4,
        (false, NormGradient::Full) => 8,
    }
}

pub(super) struct Given<'a> {
    pub inputs: &'a Inputs,
    pub norm: &'a Handle,
    pub gradient: &'a Handle,
    pub full: bool,
}

fn backward_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    client: &ComputeClient<R>,
    problem: &Problem,
    given: &Given<'_>,
    gradients: &Gradients,
) {
    let Given { inputs, full, .. } = *given;
    let (d_in, d_out, rank) = (problem.d_in, problem.d_out, problem.rank);
    let launches = Launches {
        client,
        problem,
        products: matrix_products(client),
    };
    let coefficients = client.empty(3 * d_out * 4);
    let of_weight = Product {
        pass: Pass::First { full },
        gradient: given.gradient,
        weight: &inputs.weight,
        extent: problem.extent(),
        storage: problem.weight,
        factor: &inputs.lora_a,
        ranks_first: true,
        coefficients: &inputs.magnitude,
        first_coefficient: 0,
        most_splits: SPLITS,
    };
    let along_channels = match problem.layout {
        Layout::OutIn => launches.left::<W, A>(&of_weight),
        Layout::InOut => launches.right::<W, A>(&of_weight),
    };
    let a_gram = full.then(|| {
        let sums = launches.left::<A, A>(&Product {
            most_splits: GRAM_SPLITS,
            pass: Pass::Plain,
            gradient: &inputs.lora_a,
            weight: &inputs.lora_a,
            extent: [rank, d_in],
            storage: problem.factors,
            ..of_weight
        });
        launches.gram(&sums)
    });
    let into = Finish {
        problem,
        given,
        gradients,
        coefficients: &coefficients,
    };
    into.launch::<R, A>(client, &along_channels, a_gram.as_ref(), true);

    let of_weight = Product {
        pass: Pass::Second { full },
        factor: &inputs.lora_b,
        ranks_first: false,
        coefficients: &coefficients,
        ..of_weight
    };
    let b_gram = full.then(|| {
        let sums = launches.right::<A, A>(&Product {
            most_splits: GRAM_SPLITS,
            pass: Pass::Second { full: false },
            gradient: &inputs.lora_b,
            weight: &inputs.lora_b,
            extent: [d_out, rank],
            storage: problem.factors,
            first_coefficient: 2 * d_out,
            ..of_weight
        });
        launches.gram(&sums)
    });
    let along_inputs = match problem.layout {
        Layout::OutIn => launches.right::<W, A>(&of_weight),
        Layout::InOut => launches.left::<W, A>(&of_weight),
    };
    into.launch::<R, A>(client, &along_inputs, b_gram.as_ref(), false);
}

struct Finish<'a> {
    problem: &'a Problem,
    given: &'a Given<'a>,
    gradients: &'a Gradients,
    coefficients: &'a Handle,
}

impl Finish<'_> {
    fn launch<R: Runtime, A: Float + CubeElement>(
        &self,
        client: &ComputeClient<R>,
        sums: &Sums,
        gram: Option<&Handle>,
        channels: bool,
    ) {
        let Self { problem, given, .. } = *self;
        let (d_out, rank, inputs) = (problem.d_out, problem.rank, given.inputs);
        let (n, factor, d_factor) = if channels {
            (d_out, &inputs.lora_b, &self.gradients.lora_b)
        } else {
            (problem.d_in, &inputs.lora_a, &self.gradients.lora_a)
        };
        let ranks_last = channels == (problem.layout == Layout::OutIn);
        let config = FinishConfig::new(
            channels,
            given.full,
            ranks_last,
            problem.normalised_base,
            rank,
        );
        // Something that is not read, where there is none.
        let gram = gram.unwrap_or(&inputs.magnitude);
        let gram_len = if given.full { rank * rank } else { d_out };
        let base_norm = inputs.base_norm.as_ref().unwrap_or(&inputs.magnitude);
        // SAFETY: the kernel checks every position against `n` and `rank`.
        #[allow(unsafe_code)]
        unsafe {
            finish::finish::launch_unchecked::<A, R>(
                client,
                CubeCount::Static(n.div_ceil(finish::PLACES) as u32, 1, 1),
                CubeDim::new_1d(finish::UNITS as u32),
                array(&sums.sums, sums.len[0]),
                array(factor, n * rank),
                array(gram, gram_len),
                array(&sums.dots, sums.len[1]),
                array(&inputs.magnitude, d_out),
                array(given.norm, d_out),
                array(base_norm, d_out),
                array(d_factor, n * rank),
                array(&self.gradients.magnitude, d_out),
                array(self.coefficients, 3 * d_out),
                n as u32,
                rank as u32,
                sums.splits as u32,
                problem.scaling,
                problem.eps,
                config,
            );
        }
    }
}
