//! The launches of the backward pass where the update has a mask.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::launch::{array, vector_width};
use super::launch_backward::{Given, Gradients};
use super::launch_product::{Launches, Product, SPLITS, Sums};
use super::launch_sweep::Sweep;
use super::product_config::Pass;
use super::sweep_gradient::{self, GradientGoal};
use super::tile::ExtentLaunch;
use super::{Layout, Problem, Storage, finish};

pub(super) fn masked_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    sweep: &Sweep<'_, R>,
    given: &Given<'_>,
    gradients: &Gradients,
) {
    let Sweep {
        client,
        problem,
        inputs,
        config,
    } = *sweep;
    let partials = sweep.partials();
    let dense = client.empty(problem.d_in * problem.d_out * 4);
    let full = given.full;
    for goal in [GradientGoal::Dots, GradientGoal::Dense { full }] {
        sweep_typed::<R, W, A>(sweep, given, &partials, &dense, gradients, goal);
    }

    let launches = Launches {
        client,
        problem,
        products: config.products,
    };
    let with_a = Product {
        pass: Pass::Plain,
        gradient: &dense,
        weight: &dense,
        extent: problem.extent(),
        storage: Storage::F32,
        factor: &inputs.lora_a,
        ranks_first: true,
        coefficients: &inputs.magnitude,
        first_coefficient: 0,
        most_splits: SPLITS,
    };
    let with_b = Product {
        factor: &inputs.lora_b,
        ranks_first: false,
        ..with_a
    };
    let (of_b, of_a) = match problem.layout {
        Layout::OutIn => (
            launches.left::<f32, A>(&with_a),
            launches.right::<f32, A>(&with_b),
        ),
        Layout::InOut => (
            launches.right::<f32, A>(&with_a),
            launches.left::<f32, A>(&with_b),
        ),
    };
    scale_splits::<R, A>(client, problem, &of_b, &gradients.lora_b, true);
    scale_splits::<R, A>(client, problem, &of_a, &gradients.lora_a, false);
}

fn sweep_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    sweep: &Sweep<'_, R>,
    given: &Given<'_>,
    partials: &Handle,
    dense: &Handle,
    gradients: &Gradients,
    goal: GradientGoal,
) {
    let Sweep {
        client,
        problem,
        inputs,
        config,
    } = *sweep;
    let [p, q] = problem.extent();
    let d_out = problem.d_out;
    let [(left, left_width), (right, right_width)] = sweep.factors();
    // SAFETY: with `guard` every access to the matrices is checked in the kernel,
    // without it the cubes cover the extent exactly; accesses to the rest are
    // checked always.
    #[allow(unsafe_code)]
    unsafe {
        sweep_gradient::sweep_gradient::launch_unchecked::<W, A, R>(
            client,
            sweep.count(),
            CubeDim::new_1d(config.units() as u32),
            vector_width(client, problem.weight, 8, q),
            left_width,
            right_width,
            vector_width(client, Storage::F32, 4, q),
            array(given.gradient, p * q),
            array(&inputs.weight, p * q),
            left,
            right,
            sweep.base_norm(),
            array(&inputs.magnitude, d_out),
            array(given.norm, d_out),
            array(partials, sweep.splits() * d_out),
            array(&gradients.magnitude, d_out),
            array(dense, p * q),
            ExtentLaunch::new(p as u32, q as u32),
            problem.rank as u32,
            problem.scaling,
            problem.eps,
            inputs.mask_args(),
            goal,
            config,
        );
    }
}

fn scale_splits<R: Runtime, A: Float + CubeElement>(
    client: &ComputeClient<R>,
    problem: &Problem,
    sums: &Sums,
    d_factor: &Handle,
    channels: bool,
) {
    let n = match channels {
        true => problem.d_out,
        false => problem.d_in,
    };
    let len = n * problem.rank;
    // SAFETY: the kernel checks its position against the factor's length, and reads
    // `splits` lists of that length.
    #[allow(unsafe_code)]
    unsafe {
        finish::scale_splits::launch_unchecked::<A, R>(
            client,
            CubeCount::Static(len.div_ceil(256) as u32, 1, 1),
            CubeDim::new_1d(256),
            array(&sums.sums, sums.len[0]),
            array(d_factor, len),
            n as u32,
            problem.rank as u32,
            sums.splits as u32,
            problem.scaling,
            channels,
            channels == (problem.layout == Layout::OutIn),
        );
    }
}
