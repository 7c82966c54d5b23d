//! Strategies with the plan's own tiling.

use cubecl::ir::HardwareProperties;
use cubek::matmul::components::global::{InputLoadFlow, LoadFlows};
use cubek::matmul::components::stage::PartitionBuffering;
use cubek::matmul::components::tile::TileMatmulKind;
use cubek::matmul::definition::{MatmulProblem, TilingBlueprint, TilingScheme};
use cubek::matmul::launch::Strategy;
use cubek::matmul::routines::{BlueprintStrategy, select_swizzle};
use cubek::std::cube_count::{CubeCountStrategy, GlobalOrder, HypercubeBlueprint, SmAllocation};
use cubek::std::{MatrixLayout, SwizzleModes};

use crate::Tiling;

/// The launch strategy of a tiling for a product whose operands are declared as the type that the
/// tensor cores take.
pub(super) fn tiled(
    tiling: Tiling,
    problem: &MatmulProblem,
    hardware: &HardwareProperties,
) -> Strategy {
    let element = problem.global_dtypes.lhs;
    let [rows, columns] = tiling.stage;
    let tile_k = 32 / element.size() as u32;
    let scheme = TilingScheme::builder()
        .with_tile_size((16, 8, tile_k).into())
        .with_partition_size(<(u32, u32, u32)>::from(tiling.partition).into())
        .with_stage_size((rows, columns, 1).into())
        .build()
        .expect("the scheme is complete");
    // As cubek does where it infers a tiling.
    let count = match hardware.num_streaming_multiprocessors {
        Some(num_sms) => CubeCountStrategy::Sm {
            num_sms,
            sm_usage: SmAllocation::Exact,
            cubes_first: true,
        },
        None => CubeCountStrategy::FromProblem,
    };
    let cubes = HypercubeBlueprint::builder()
        .global_order(GlobalOrder::SwizzleRow(4))
        .cube_count_strategy(count)
        .build();
    let along = |layout, across, along| match layout {
        MatrixLayout::RowMajor => along,
        MatrixLayout::ColMajor => across,
    };
    let (m, n) = (
        scheme.elements_per_stage_along_m(),
        scheme.elements_per_stage_along_n(),
    );
    let k = scheme.elements_per_stage_along_k();
    let swizzle = |dim: u32| select_swizzle(dim as usize, element, 1);
    let planes = hardware.plane_size_max.max(1);
    let mut blueprint = TilingBlueprint::builder(TileMatmulKind::Mma, scheme, planes, problem)
        .partition_buffering(PartitionBuffering::Double)
        .hypercube_blueprint(cubes)
        .shared_swizzle(SwizzleModes {
            lhs: swizzle(along(problem.lhs_layout, m, k)),
            rhs: swizzle(along(problem.rhs_layout, k, n)),
            ..Default::default()
        });
    if tiling.loading_planes {
        blueprint = blueprint.load_specialization_config(LoadFlows {
            lhs: InputLoadFlow::LoadOnly,
            rhs: InputLoadFlow::LoadOnly,
        });
    }
    let blueprint = blueprint.build();
    match tiling.loading_planes {
        true => Strategy::SpecializedTmaMma(BlueprintStrategy::Forced(blueprint)),
        false => Strategy::DoubleTmaMma(BlueprintStrategy::Forced(blueprint)),
    }
}
