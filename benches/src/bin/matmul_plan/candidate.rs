//! The strategies that compete.

use cubecl::ir::StorageType;
use cubecl::prelude::CubePrimitive;
use cubecl::tf32;
use cubek::matmul::components::global::{InputLoadFlow, LoadFlows};
use cubek::matmul::components::stage::PartitionBuffering;
use cubek::matmul::components::tile::TileMatmulKind;
use cubek::matmul::definition::{MatmulProblem, TilingBlueprint, TilingScheme};
use cubek::matmul::launch::Strategy;
use cubek::matmul::routines::BlueprintStrategy;
use cubek::matmul::routines::TileSizeSelection;
use cubek::matmul::routines::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::routines::ordered_double_buffering::OrderedSelectionArgs;
use cubek::matmul::routines::simple::SimpleArgs;
use cubek::matmul::routines::simple_unit::SimpleUnitSelectionArgs;
use cubek::std::MatrixLayout;
use cubek::std::SwizzleModes;
use cubek::std::cube_count::{CubeCountStrategy, GlobalOrder, HypercubeBlueprint, SmAllocation};

use crate::case::Case;

/// How the operands are stored and multiplied. The result is f32 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// f32 operands, no tensor cores.
    F32,
    /// f32 operands, rounded to TF32 on the way to the tensor cores.
    Tf32,
    /// f32 memory that is declared to hold TF32, so that a tiling can be forced; may truncate.
    Tf32Declared,
    /// bf16 operands.
    Bf16,
}

impl Precision {
    /// As written in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Tf32Declared => "tf32-declared",
            Self::Bf16 => "bf16",
        }
    }

    /// The type of the operands in memory.
    pub fn operand(self) -> StorageType {
        match self {
            Self::F32 | Self::Tf32 => f32::as_type_native_unchecked().storage_type(),
            Self::Tf32Declared => tf32::as_type_native_unchecked().storage_type(),
            Self::Bf16 => half::bf16::as_type_native_unchecked().storage_type(),
        }
    }
}

/// Tiles in a partition, partitions in a stage.
#[derive(Clone, Copy, Debug)]
pub struct Tiling {
    tile: (u32, u32, u32),
    partition: (u32, u32, u32),
    stage: (u32, u32),
}

/// What fills a strategy in.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// cubek infers the tiling.
    Inferred(&'static str),
    /// The tiling is given.
    Forced(&'static str, Tiling),
}

impl Choice {
    /// As written in the output.
    pub fn name(self) -> String {
        match self {
            Self::Inferred(name) => name.to_owned(),
            Self::Forced(name, t) => format!(
                "{name}[{}x{}x{} p{}x{}x{} s{}x{}]",
                t.tile.0,
                t.tile.1,
                t.tile.2,
                t.partition.0,
                t.partition.1,
                t.partition.2,
                t.stage.0,
                t.stage.1
            ),
        }
    }

    /// The strategy for a problem.
    pub fn strategy(self, problem: &MatmulProblem, plane_dim: u32, sms: Option<u32>) -> Strategy {
        match self {
            Self::Inferred(name) => inferred(name),
            Self::Forced(name, tiling) => {
                let unit = name.ends_with("Unit");
                let kind = match unit {
                    true => TileMatmulKind::Register,
                    false => TileMatmulKind::Mma,
                };
                let mut blueprint = blueprint(kind, tiling, problem, plane_dim, sms);
                if name.starts_with("Specialized") {
                    blueprint.load_flows = LoadFlows {
                        lhs: InputLoadFlow::LoadOnly,
                        rhs: InputLoadFlow::LoadOnly,
                    };
                }
                match name {
                    "SimpleUnit" => Strategy::SimpleUnit(BlueprintStrategy::Forced(blueprint)),
                    "DoubleUnit" => Strategy::DoubleUnit(BlueprintStrategy::Forced(blueprint)),
                    "SimpleTmaMma" => Strategy::SimpleTmaMma(BlueprintStrategy::Forced(blueprint)),
                    "SpecializedTmaMma" => {
                        Strategy::SpecializedTmaMma(BlueprintStrategy::Forced(blueprint))
                    }
                    "DoubleTmaMma" => Strategy::DoubleTmaMma(BlueprintStrategy::Forced(blueprint)),
                    "DoubleCyclicMma" => {
                        Strategy::DoubleCyclicMma(BlueprintStrategy::Forced(blueprint))
                    }
                    other => panic!("no forced candidate is called {other}"),
                }
            }
        }
    }
}

fn blueprint(
    kind: TileMatmulKind,
    tiling: Tiling,
    problem: &MatmulProblem,
    plane_dim: u32,
    sms: Option<u32>,
) -> TilingBlueprint {
    let (m, n) = tiling.stage;
    let scheme = TilingScheme::builder()
        .with_tile_size(tiling.tile.into())
        .with_partition_size(tiling.partition.into())
        .with_stage_size((m, n, 1).into())
        .build()
        .expect("the scheme is complete");
    let count = match sms {
        Some(num_sms) => CubeCountStrategy::Sm {
            num_sms,
            sm_usage: SmAllocation::Exact,
            cubes_first: true,
        },
        None => CubeCountStrategy::FromProblem,
    };
    let hypercube = HypercubeBlueprint::builder()
        .global_order(GlobalOrder::SwizzleRow(4))
        .cube_count_strategy(count)
        .build();
    let elem = problem.global_dtypes.lhs;
    let lhs = match problem.lhs_layout {
        MatrixLayout::RowMajor => scheme.elements_per_stage_along_k(),
        MatrixLayout::ColMajor => scheme.elements_per_stage_along_m(),
    };
    let rhs = match problem.rhs_layout {
        MatrixLayout::RowMajor => scheme.elements_per_stage_along_n(),
        MatrixLayout::ColMajor => scheme.elements_per_stage_along_k(),
    };
    let swizzle = |dim: u32| cubek::matmul::routines::select_swizzle(dim as usize, elem, 1);
    let buffering = match tiling.partition.1 > 1 && kind == TileMatmulKind::Mma {
        true => PartitionBuffering::Double,
        false => PartitionBuffering::Single,
    };
    let mut builder = TilingBlueprint::builder(kind, scheme, plane_dim, problem)
        .partition_buffering(buffering)
        .hypercube_blueprint(hypercube);
    if kind == TileMatmulKind::Mma {
        builder = builder.shared_swizzle(SwizzleModes {
            lhs: swizzle(lhs),
            rhs: swizzle(rhs),
            ..Default::default()
        });
    }
    builder.build()
}

fn inferred(name: &str) -> Strategy {
    let ordered = |rows, count| {
        BlueprintStrategy::Inferred(OrderedSelectionArgs {
            row_count: Some(count),
            rows_per_plane: Some(rows),
            ..Default::default()
        })
    };
    match name {
        "SimpleCyclicCmma" => Strategy::SimpleCyclicCmma(Default::default()),
        "SimpleCyclicCmma multi" => {
            Strategy::SimpleCyclicCmma(BlueprintStrategy::Inferred(SimpleArgs {
                tile_matmul: TileMatmulKind::Cmma,
                multi_rows: true,
            }))
        }
        "SimpleCyclicMma" => Strategy::SimpleCyclicMma(Default::default()),
        "SimpleCyclicMma multi" => {
            Strategy::SimpleCyclicMma(BlueprintStrategy::Inferred(SimpleArgs {
                tile_matmul: TileMatmulKind::Mma,
                multi_rows: true,
            }))
        }
        "SimpleTmaCmma" => Strategy::SimpleTmaCmma(Default::default()),
        "SimpleTmaMma" => Strategy::SimpleTmaMma(Default::default()),
        "DoubleCyclicCmma" => Strategy::DoubleCyclicCmma(Default::default()),
        "DoubleCyclicMma" => Strategy::DoubleCyclicMma(Default::default()),
        "DoubleTilewiseMma" => Strategy::DoubleTilewiseMma(Default::default()),
        "DoubleHybridMma" => Strategy::DoubleHybridMma(Default::default()),
        "DoubleAsyncCyclicMma" => Strategy::DoubleAsyncCyclicMma(Default::default()),
        "DoubleAsyncStridedMma" => Strategy::DoubleAsyncStridedMma(Default::default()),
        "DoubleTmaCmma" => Strategy::DoubleTmaCmma(Default::default()),
        "DoubleTmaMma" => Strategy::DoubleTmaMma(Default::default()),
        "SpecializedCyclicMma" => Strategy::SpecializedCyclicMma(Default::default()),
        "SpecializedStridedMma" => Strategy::SpecializedStridedMma(Default::default()),
        "SpecializedTmaCmma" => Strategy::SpecializedTmaCmma(Default::default()),
        "SpecializedTmaMma" => Strategy::SpecializedTmaMma(Default::default()),
        "OrderedDoubleMma" => Strategy::OrderedDoubleMma(Default::default()),
        "OrderedDoubleMma r2c8" => Strategy::OrderedDoubleMma(ordered(2, 8)),
        "OrderedDoubleMma r2c16" => Strategy::OrderedDoubleMma(ordered(2, 16)),
        "OrderedDoubleMma r4c16" => Strategy::OrderedDoubleMma(ordered(4, 16)),
        "SimpleUnit" => Strategy::SimpleUnit(Default::default()),
        "SimpleUnit min" => {
            Strategy::SimpleUnit(BlueprintStrategy::Inferred(SimpleUnitSelectionArgs {
                tile_size: TileSizeSelection::MinTileSize,
            }))
        }
        "DoubleUnit" => Strategy::DoubleUnit(Default::default()),
        "DoubleUnit min" => {
            Strategy::DoubleUnit(BlueprintStrategy::Inferred(DoubleUnitSelectionArgs {
                tile_size: TileSizeSelection::MinTileSize,
            }))
        }
        "Naive" => Strategy::Naive,
        other => panic!("no candidate is called {other}"),
    }
}

const fn tiling(tile: (u32, u32, u32), partition: (u32, u32, u32), stage: (u32, u32)) -> Tiling {
    Tiling {
        tile,
        partition,
        stage,
    }
}

/// The candidates for a case, most promising first.
pub fn candidates(case: &Case) -> Vec<(Precision, Choice)> {
    use Choice::{Forced, Inferred};
    let mut all = Vec::new();

    let tensor_cores: &[&'static str] = match case.is_big() {
        true => &[
            "DoubleTmaMma",
            "SpecializedTmaMma",
            "SimpleTmaMma",
            "DoubleCyclicMma",
            "SpecializedStridedMma",
            "OrderedDoubleMma",
            "OrderedDoubleMma r2c16",
            "SimpleCyclicCmma",
            "DoubleTmaCmma",
            "SpecializedTmaCmma",
            "DoubleCyclicCmma",
            "SimpleCyclicMma multi",
            "SimpleTmaCmma",
            "SpecializedCyclicMma",
            "DoubleAsyncCyclicMma",
            "DoubleAsyncStridedMma",
            "DoubleTilewiseMma",
            "DoubleHybridMma",
            "OrderedDoubleMma r2c8",
            "OrderedDoubleMma r4c16",
        ],
        false => &[
            "SimpleCyclicCmma",
            "SimpleCyclicMma",
            "SimpleCyclicMma multi",
            "SimpleCyclicCmma multi",
            "DoubleCyclicMma",
            "DoubleTmaMma",
            "SimpleTmaMma",
            "OrderedDoubleMma",
            "SpecializedStridedMma",
        ],
    };
    for precision in [Precision::Bf16, Precision::Tf32] {
        all.extend(tensor_cores.iter().map(|name| (precision, Inferred(name))));
    }

    for name in [
        "DoubleUnit",
        "SimpleUnit",
        "DoubleUnit min",
        "SimpleUnit min",
    ] {
        all.push((Precision::F32, Inferred(name)));
    }
    if case.is_big() {
        let bf16 = [
            tiling((16, 8, 16), (2, 8, 4), (4, 1)),
            tiling((16, 8, 16), (4, 8, 2), (4, 1)),
            tiling((16, 8, 16), (2, 8, 2), (8, 1)),
            tiling((16, 8, 16), (2, 8, 4), (8, 1)),
            tiling((16, 8, 16), (4, 8, 2), (4, 2)),
            tiling((16, 8, 16), (2, 16, 2), (8, 1)),
            tiling((16, 8, 16), (4, 8, 4), (2, 2)),
            tiling((16, 8, 16), (4, 8, 4), (4, 1)),
            tiling((16, 8, 16), (2, 8, 4), (4, 2)),
        ];
        for t in bf16 {
            all.push((Precision::Bf16, Forced("DoubleTmaMma", t)));
            all.push((Precision::Bf16, Forced("SpecializedTmaMma", t)));
        }
        let tf32 = [
            tiling((16, 8, 8), (2, 4, 4), (4, 1)),
            tiling((16, 8, 8), (2, 8, 4), (8, 1)),
            tiling((16, 8, 8), (4, 8, 4), (4, 1)),
            tiling((16, 8, 8), (4, 8, 2), (4, 2)),
            tiling((16, 8, 8), (4, 8, 4), (2, 2)),
            tiling((16, 8, 8), (2, 8, 4), (4, 2)),
            tiling((16, 8, 8), (4, 8, 4), (4, 2)),
            tiling((16, 8, 8), (2, 8, 4), (4, 1)),
        ];
        for t in tf32 {
            all.push((Precision::Tf32Declared, Forced("DoubleTmaMma", t)));
            all.push((Precision::Tf32Declared, Forced("SpecializedTmaMma", t)));
        }
        let unit = [
            tiling((8, 8, 1), (1, 1, 16), (16, 16)),
            tiling((4, 4, 4), (2, 2, 2), (16, 16)),
            tiling((8, 4, 4), (1, 2, 4), (16, 16)),
            tiling((8, 8, 4), (1, 1, 4), (16, 16)),
            tiling((4, 4, 4), (2, 2, 4), (16, 8)),
        ];
        for t in unit {
            all.push((Precision::F32, Forced("DoubleUnit", t)));
            all.push((Precision::F32, Forced("SimpleUnit", t)));
        }
    } else {
        all.push((Precision::F32, Inferred("Naive")));
    }
    all
}
