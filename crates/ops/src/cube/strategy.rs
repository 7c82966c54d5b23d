//! What the plan's names mean to cubek.

use cubek::matmul::components::tile::TileMatmulKind;
use cubek::matmul::launch::Strategy;
use cubek::matmul::routines::{
    BlueprintStrategy, TileSizeSelection, simple::SimpleArgs, simple_unit::SimpleUnitSelectionArgs,
};

use crate::Kernel;

/// The launch strategy of a kernel with cubek's own tiling.
pub(super) fn strategy(kernel: Kernel) -> Strategy {
    match kernel {
        Kernel::DoubleTmaMma => Strategy::DoubleTmaMma(Default::default()),
        Kernel::SpecializedTmaMma => Strategy::SpecializedTmaMma(Default::default()),
        Kernel::SimpleTmaMma => Strategy::SimpleTmaMma(Default::default()),
        Kernel::DoubleCyclicMma => Strategy::DoubleCyclicMma(Default::default()),
        Kernel::OrderedDoubleMma => Strategy::OrderedDoubleMma(Default::default()),
        Kernel::SimpleCyclicMmaMulti => {
            Strategy::SimpleCyclicMma(BlueprintStrategy::Inferred(SimpleArgs {
                tile_matmul: TileMatmulKind::Mma,
                multi_rows: true,
            }))
        }
        Kernel::SimpleCyclicMma => Strategy::SimpleCyclicMma(Default::default()),
        Kernel::SimpleCyclicCmma => Strategy::SimpleCyclicCmma(Default::default()),
        Kernel::DoubleUnit => Strategy::DoubleUnit(Default::default()),
        Kernel::SimpleUnit => Strategy::SimpleUnit(Default::default()),
        Kernel::SimpleUnitMin => {
            Strategy::SimpleUnit(BlueprintStrategy::Inferred(SimpleUnitSelectionArgs {
                tile_size: TileSizeSelection::MinTileSize,
            }))
        }
        Kernel::Naive => Strategy::Naive,
        Kernel::TensorCoreProduct | Kernel::SmallProduct | Kernel::F32Product => {
            unreachable!("it is not cubek's")
        }
        Kernel::DoubleTmaMma128x128
        | Kernel::DoubleTmaMma256x64
        | Kernel::SpecializedTmaMma256x64
        | Kernel::SpecializedTmaMma256x128
        | Kernel::SpecializedTmaMma256x128Shallow => unreachable!("it has a tiling"),
    }
}
