//! The launches of the forward pass where a channel is too long for one cube.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::config::{MatrixProducts, TILE_P, TILE_Q};
use super::launch::{CUBES, Inputs, Merged, array, factor_width, matrix_products, vector_width};
use super::masked::Masked;
use super::operand::Operand;
use super::sweep::{self, Goal};
use super::sweep_config::SweepConfig;
use super::tile::ExtentLaunch;
use super::tile_storage::TileStorage;
use super::{Layout, MergeError, Problem};

/// How a problem's weight is swept.
pub(super) struct Sweep<'a, R: Runtime> {
    pub client: &'a ComputeClient<R>,
    pub problem: &'a Problem,
    pub inputs: &'a Inputs,
    pub config: SweepConfig,
}

/// Shared memory of a cube of which two find place on a processor of a large GPU.
const ROOM: usize = 104 * 1024;

impl<'a, R: Runtime> Sweep<'a, R> {
    pub fn new(
        client: &'a ComputeClient<R>,
        problem: &'a Problem,
        inputs: &'a Inputs,
    ) -> Result<Self, MergeError> {
        let products = matrix_products(client);
        let tensor_cores = products == MatrixProducts::TensorCores;
        let along = problem.layout == Layout::OutIn;
        let mut config = SweepConfig {
            along,
            products,
            factors: Operand::stored(problem.factors, problem.products),
            ranks: problem.rank.next_multiple_of(16),
            warps: if tensor_cores { 8 } else { 4 },
            rows: 0,
            columns: 0,
            ahead: 2,
            storage: TileStorage::new(problem.weight),
            normalised_base: problem.normalised_base,
            masked: Masked::new(inputs.mask.is_some(), problem.extent()[1]),
        };
        // Of a warp, along its way.
        let most = if tensor_cores { 16 } else { 2 };
        let mut tiles = most;
        let [p, q] = problem.extent();
        let hardware = client.properties().hardware.max_shared_memory_size;
        let mut room = ROOM.min(hardware);
        loop {
            (config.rows, config.columns) = if along {
                (TILE_P * config.warps, TILE_Q * tiles)
            } else {
                (TILE_P * tiles, TILE_Q * config.warps)
            };
            let cubes = p.div_ceil(config.rows) * q.div_ceil(config.columns);
            let fits = config.shared_bytes() <= room;
            if fits && (cubes >= CUBES || tiles <= config.ahead) {
                break;
            }
            if tiles > config.ahead {
                tiles /= 2;
            } else if config.warps > 1 {
                config.warps /= 2;
                tiles = most;
            } else if room < hardware {
                room = hardware;
                config.warps = 2;
                tiles = most;
            } else {
                return Err(MergeError::Rank {
                    found: problem.rank,
                    needs: config.shared_bytes(),
                    has: hardware,
                });
            }
        }
        config.storage.guard = !p.is_multiple_of(config.rows) || !q.is_multiple_of(config.columns);
        Ok(Self {
            client,
            problem,
            inputs,
            config,
        })
    }

    /// Cubes along a channel.
    pub fn splits(&self) -> usize {
        let [p, q] = self.problem.extent();
        if self.config.along {
            q.div_ceil(self.config.columns)
        } else {
            p.div_ceil(self.config.rows)
        }
    }

    pub fn count(&self) -> CubeCount {
        let [p, q] = self.problem.extent();
        CubeCount::Static(
            q.div_ceil(self.config.columns) as u32,
            p.div_ceil(self.config.rows) as u32,
            1,
        )
    }

    /// L and R of the kernels, and what one access to each moves: B and A, or A and B
    /// transposed.
    pub fn factors(&self) -> [(ArrayArg<R>, usize); 2] {
        let [p, q] = self.problem.extent();
        let (left, right) = match self.problem.layout {
            Layout::OutIn => (&self.inputs.lora_b, &self.inputs.lora_a),
            Layout::InOut => (&self.inputs.lora_a, &self.inputs.lora_b),
        };
        let along = self.config.along;
        [(left, p, !along), (right, q, along)].map(|(factor, n, ranks_first)| {
            let width = factor_width(self.client, self.problem, ranks_first, n);
            (array(factor, n * self.problem.rank), width)
        })
    }

    /// ‖W‖, or something that is not read.
    pub fn base_norm(&self) -> ArrayArg<R> {
        let norms = self.inputs.base_norm.as_ref();
        array(norms.unwrap_or(&self.inputs.magnitude), self.problem.d_out)
    }

    /// Room for the sums of each split.
    pub fn partials(&self) -> Handle {
        self.client.empty(self.splits() * self.problem.d_out * 4)
    }
}

pub(super) fn sweep_typed<R: Runtime, W: Float + CubeElement, A: Float + CubeElement>(
    sweep: &Sweep<'_, R>,
    partials: &Handle,
    merged: &Merged,
    goal: Goal,
) {
    let Sweep {
        client,
        problem,
        inputs,
        config,
    } = *sweep;
    let [p, q] = problem.extent();
    let [(left, left_width), (right, right_width)] = sweep.factors();
    // SAFETY: with `guard` every access to the weight is checked in the kernel,
    // without it the cubes cover the extent exactly; accesses to the rest are
    // checked always.
    #[allow(unsafe_code)]
    unsafe {
        sweep::sweep::launch_unchecked::<W, A, R>(
            client,
            sweep.count(),
            CubeDim::new_1d(config.units() as u32),
            vector_width(client, problem.weight, 8, q),
            left_width,
            right_width,
            array(&inputs.weight, p * q),
            left,
            right,
            sweep.base_norm(),
            array(&inputs.magnitude, problem.d_out),
            array(partials, sweep.splits() * problem.d_out),
            array(&merged.norm, problem.d_out),
            array(&merged.weight, p * q),
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
