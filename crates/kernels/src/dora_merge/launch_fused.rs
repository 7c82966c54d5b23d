//! The launch of the forward pass where a cube covers whole channels.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::config::Config;
use super::forward as kernels;
use super::launch::{Inputs, Merged, array, matrix_products, vector_width};
use super::masked::Masked;
use super::operand::Operand;
use super::tile::ExtentLaunch;
use super::tile_storage::TileStorage;
use super::{Layout, Problem};

pub(super) fn fused_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    client: &ComputeClient<R>,
    problem: &Problem,
    inputs: &Inputs,
    merged: &Merged,
    merge: bool,
) {
    let launch = Launch::new(client, problem, fused(client, problem, inputs));
    let widths = launch.widths();
    let (left, right) = launch.factors(inputs);
    let (left_elements, _) = launch.factors(inputs);
    // SAFETY: as in `reduce_typed`. Without `merge` the weight is not written.
    #[allow(unsafe_code)]
    unsafe {
        kernels::fused::launch_unchecked::<W, A, R>(
            client,
            launch.count(),
            launch.dim(),
            widths.weight,
            widths.left,
            widths.right,
            launch.weight(&inputs.weight),
            left,
            left_elements,
            right,
            launch.base_norm(inputs),
            array(&inputs.magnitude, problem.d_out),
            array(&merged.norm, problem.d_out),
            launch.weight(&merged.weight),
            launch.extent(),
            problem.scaling,
            problem.eps,
            inputs.mask_args(),
            merge,
            launch.config,
        );
    }
}

/// How a kernel covers the weight whose cubes hold whole channels.
fn fused<R: Runtime>(client: &ComputeClient<R>, problem: &Problem, inputs: &Inputs) -> Config {
    let [p, q] = problem.extent();
    let d_in = problem.d_in;
    let (warps, tiles) = match problem.layout {
        Layout::OutIn => ([1, 8], d_in.div_ceil(256)),
        Layout::InOut if d_in <= 512 => ([8, 1], d_in.div_ceil(128)),
        Layout::InOut => ([16, 1], d_in.div_ceil(256)),
    };
    let mut config = Config {
        layout: problem.layout,
        products: matrix_products(client),
        factors: Operand::stored(problem.factors, problem.products),
        rank: problem.rank,
        warps,
        tiles,
        storage: TileStorage::new(problem.weight),
        normalised_base: problem.normalised_base,
        masked: Masked::new(inputs.mask.is_some(), q),
        slab_rows: 0,
    };
    config.storage.guard = !p.is_multiple_of(config.span_p()) || !q.is_multiple_of(config.span_q());
    match problem.layout {
        // The rows of L are read by all warps.
        Layout::OutIn => config.with_slab(),
        Layout::InOut => config,
    }
}

/// What every launch of a problem has in common.
struct Launch<'a, R: Runtime> {
    pub client: &'a ComputeClient<R>,
    pub problem: &'a Problem,
    pub config: Config,
}

/// Elements that one access to each tensor moves.
struct Widths {
    pub weight: usize,
    pub left: usize,
    pub right: usize,
}

impl<'a, R: Runtime> Launch<'a, R> {
    pub fn new(client: &'a ComputeClient<R>, problem: &'a Problem, config: Config) -> Self {
        Self {
            client,
            problem,
            config,
        }
    }

    pub fn dim(&self) -> CubeDim {
        CubeDim::new_1d(self.config.units() as u32)
    }

    pub fn count(&self) -> CubeCount {
        let [p, q] = self.problem.extent();
        CubeCount::Static(
            q.div_ceil(self.config.span_q()) as u32,
            p.div_ceil(self.config.span_p()) as u32,
            1,
        )
    }

    pub fn extent(&self) -> ExtentLaunch<R> {
        let [p, q] = self.problem.extent();
        ExtentLaunch::new(p as u32, q as u32)
    }

    pub fn widths(&self) -> Widths {
        let [p, q] = self.problem.extent();
        let (rank, factors) = (self.problem.rank, self.problem.factors);
        let width = |storage, wanted, along| vector_width(self.client, storage, wanted, along);
        let (left, right) = match self.problem.layout {
            Layout::OutIn => (width(factors, 4, rank), width(factors, 4, q)),
            Layout::InOut => (width(factors, 2, p), width(factors, 4, rank)),
        };
        Widths {
            weight: width(self.problem.weight, 8, q),
            left,
            right,
        }
    }

    /// L and R of the kernels: B and A, or A and B transposed.
    pub fn factors(&self, inputs: &Inputs) -> (ArrayArg<R>, ArrayArg<R>) {
        let (a, b) = (self.lora_a(inputs), self.lora_b(inputs));
        match self.problem.layout {
            Layout::OutIn => (b, a),
            Layout::InOut => (a, b),
        }
    }

    fn lora_a(&self, inputs: &Inputs) -> ArrayArg<R> {
        array(&inputs.lora_a, self.problem.rank * self.problem.d_in)
    }

    fn lora_b(&self, inputs: &Inputs) -> ArrayArg<R> {
        array(&inputs.lora_b, self.problem.rank * self.problem.d_out)
    }

    /// ‖W‖, or something that is not read.
    pub fn base_norm(&self, inputs: &Inputs) -> ArrayArg<R> {
        let norms = inputs.base_norm.as_ref().unwrap_or(&inputs.magnitude);
        array(norms, self.problem.d_out)
    }

    pub fn weight(&self, handle: &Handle) -> ArrayArg<R> {
        array(handle, self.problem.d_in * self.problem.d_out)
    }
}
