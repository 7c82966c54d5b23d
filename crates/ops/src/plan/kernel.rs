use super::Tiling;

/// A matrix product kernel: dacapo's own, or one of cubek's by the name of its launch strategy, with
/// the tiling that is given or with cubek's inferred one, which depends on shapes, types and device
/// properties only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kernel {
    /// Hopper's tensor cores (`wgmma`, `dacapo_kernels::tensor_core_product`): k together in the left
    /// operand, rows at multiples of 16 bytes, compute capability 9.0.
    TensorCoreProduct,
    /// Tensor cores (`mma`, `dacapo_kernels::small_product`): one product of at most 2^29 multiplications, or
    /// several of at most 2^26 each; reads any layout, rounds as it reads, divides k among the cubes of a
    /// cluster; compute capability 9.0 or above.
    SmallProduct,
    /// As `DoubleTmaMma`; a cube computes 128x128 elements, a warp 64x64.
    DoubleTmaMma128x128,
    /// As `DoubleTmaMma`; a cube computes 256x64 elements, a warp 64x64.
    DoubleTmaMma256x64,
    /// As `SpecializedTmaMma`; a cube computes 256x64 elements, a warp 64x64.
    SpecializedTmaMma256x64,
    /// As `SpecializedTmaMma`; a cube computes 256x128 elements, a warp 64x64.
    SpecializedTmaMma256x128,
    /// As `SpecializedTmaMma256x128`, half as deep.
    SpecializedTmaMma256x128Shallow,
    /// Tensor cores (`mma`), two stages loaded by the tensor memory accelerator.
    DoubleTmaMma,
    /// As `DoubleTmaMma`, with planes that only load.
    SpecializedTmaMma,
    /// Tensor cores (`mma`), one stage loaded by the tensor memory accelerator.
    SimpleTmaMma,
    /// Tensor cores (`mma`), two stages loaded by all planes in turn.
    DoubleCyclicMma,
    /// Tensor cores (`mma`), two stages; the left operand in order.
    OrderedDoubleMma,
    /// Tensor cores (`mma`), one stage, several rows of tiles a plane.
    SimpleCyclicMmaMulti,
    /// Tensor cores (`mma`), one stage.
    SimpleCyclicMma,
    /// Tensor cores (`wmma`), one stage; reads any layout.
    SimpleCyclicCmma,
    /// Multiply and add in each unit (`dacapo_kernels::f32_product`); f32, whole vectors of four.
    F32Product,
    /// Multiply and add in each unit, two stages.
    DoubleUnit,
    /// Multiply and add in each unit, one stage.
    SimpleUnit,
    /// As `SimpleUnit` with the smallest tiles.
    SimpleUnitMin,
    /// One unit for each element of the result; takes everything.
    Naive,
}

impl Kernel {
    /// Every kernel that a plan can name.
    pub const ALL: [Self; 20] = [
        Self::TensorCoreProduct,
        Self::SmallProduct,
        Self::DoubleTmaMma128x128,
        Self::DoubleTmaMma256x64,
        Self::SpecializedTmaMma256x64,
        Self::SpecializedTmaMma256x128,
        Self::SpecializedTmaMma256x128Shallow,
        Self::DoubleTmaMma,
        Self::SpecializedTmaMma,
        Self::SimpleTmaMma,
        Self::DoubleCyclicMma,
        Self::OrderedDoubleMma,
        Self::SimpleCyclicMmaMulti,
        Self::SimpleCyclicMma,
        Self::SimpleCyclicCmma,
        Self::F32Product,
        Self::DoubleUnit,
        Self::SimpleUnit,
        Self::SimpleUnitMin,
        Self::Naive,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TensorCoreProduct => "tensor_core_product",
            Self::SmallProduct => "small_product",
            Self::DoubleTmaMma128x128 => "double_tma_mma_128x128",
            Self::DoubleTmaMma256x64 => "double_tma_mma_256x64",
            Self::SpecializedTmaMma256x64 => "specialized_tma_mma_256x64",
            Self::SpecializedTmaMma256x128 => "specialized_tma_mma_256x128",
            Self::SpecializedTmaMma256x128Shallow => "specialized_tma_mma_256x128_shallow",
            Self::DoubleTmaMma => "double_tma_mma",
            Self::SpecializedTmaMma => "specialized_tma_mma",
            Self::SimpleTmaMma => "simple_tma_mma",
            Self::DoubleCyclicMma => "double_cyclic_mma",
            Self::OrderedDoubleMma => "ordered_double_mma",
            Self::SimpleCyclicMmaMulti => "simple_cyclic_mma_multi",
            Self::SimpleCyclicMma => "simple_cyclic_mma",
            Self::SimpleCyclicCmma => "simple_cyclic_cmma",
            Self::F32Product => "f32_product",
            Self::DoubleUnit => "double_unit",
            Self::SimpleUnit => "simple_unit",
            Self::SimpleUnitMin => "simple_unit_min",
            Self::Naive => "naive",
        }
    }

    /// Whether it loads through the tensor memory accelerator, which takes only rows that begin
    /// at multiples of 16 bytes ([`MatmulShape::aligned`](crate::MatmulShape)).
    pub fn uses_tma(self) -> bool {
        matches!(
            self,
            Self::DoubleTmaMma | Self::SpecializedTmaMma | Self::SimpleTmaMma
        ) || self.tiling().is_some()
    }

    /// Whether f32 operands are rounded to TF32 on the way to tensor cores.
    pub fn uses_tensor_cores(self) -> bool {
        !matches!(
            self,
            Self::F32Product
                | Self::DoubleUnit
                | Self::SimpleUnit
                | Self::SimpleUnitMin
                | Self::Naive
        )
    }

    /// The tiling, of a kernel that has a given one.
    pub fn tiling(self) -> Option<Tiling> {
        let (partition, stage, loading_planes) = match self {
            Self::DoubleTmaMma128x128 => ([4, 8, 4], [2, 2], false),
            Self::DoubleTmaMma256x64 => ([4, 8, 4], [4, 1], false),
            Self::SpecializedTmaMma256x64 => ([4, 8, 4], [4, 1], true),
            Self::SpecializedTmaMma256x128 => ([4, 8, 4], [4, 2], true),
            Self::SpecializedTmaMma256x128Shallow => ([4, 8, 2], [4, 2], true),
            _ => return None,
        };
        Some(Tiling {
            partition,
            stage,
            loading_planes,
        })
    }
}
