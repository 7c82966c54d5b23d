//! The table itself. Rates were measured with `matmul_plan` of the crate `dacapo-benches`.

use super::Kernel::{
    DoubleTmaMma, DoubleTmaMma128x128, DoubleTmaMma256x64, F32Product, Naive, SimpleCyclicCmma,
    SimpleCyclicMma, SimpleUnit, SmallProduct, SpecializedTmaMma, SpecializedTmaMma256x64,
    SpecializedTmaMma256x128, SpecializedTmaMma256x128Shallow, TensorCoreProduct,
};
use super::ShapeClass::{Batched, Large, Small};
use super::{Kernel, Layout, PlanRow, ShapeClass};
use crate::Precision::{self, Bf16, F32, Tf32};

/// First match first.
pub(super) const TABLE: &[PlanRow] = &[
    row(F32, Large, None, &[F32Product, SimpleUnit, Naive]),
    row(F32, Small, None, &[F32Product, SimpleUnit, Naive]),
    row(F32, Batched, None, &[F32Product, SimpleUnit, Naive]),
    row(
        Tf32,
        Large,
        Some(Layout::Nt),
        &[
            TensorCoreProduct,
            DoubleTmaMma128x128,
            DoubleTmaMma,
            SimpleCyclicCmma,
            SimpleCyclicMma,
        ],
    ),
    row(
        Tf32,
        Large,
        Some(Layout::Tn),
        &[
            SpecializedTmaMma256x128,
            SpecializedTmaMma,
            SimpleCyclicCmma,
            SimpleCyclicMma,
        ],
    ),
    row(
        Tf32,
        Large,
        None,
        &[
            TensorCoreProduct,
            SpecializedTmaMma256x64,
            DoubleTmaMma,
            SimpleCyclicCmma,
            SimpleCyclicMma,
        ],
    ),
    row(
        Tf32,
        Small,
        None,
        &[SmallProduct, SimpleCyclicCmma, SimpleCyclicMma],
    ),
    row(
        Tf32,
        Batched,
        None,
        &[SmallProduct, SimpleCyclicCmma, SimpleCyclicMma],
    ),
    row(
        Bf16,
        Large,
        Some(Layout::Nt),
        &[
            TensorCoreProduct,
            DoubleTmaMma128x128,
            SpecializedTmaMma,
            SimpleCyclicCmma,
            SimpleUnit,
            Naive,
        ],
    ),
    row(
        Bf16,
        Large,
        Some(Layout::Tn),
        &[
            SpecializedTmaMma256x128Shallow,
            SpecializedTmaMma,
            SimpleCyclicCmma,
            SimpleUnit,
            Naive,
        ],
    ),
    row(
        Bf16,
        Large,
        None,
        &[
            TensorCoreProduct,
            DoubleTmaMma256x64,
            DoubleTmaMma,
            SimpleCyclicCmma,
            SimpleUnit,
            Naive,
        ],
    ),
    row(
        Bf16,
        Small,
        None,
        &[SmallProduct, SimpleCyclicCmma, SimpleUnit, Naive],
    ),
    row(
        Bf16,
        Batched,
        None,
        &[SmallProduct, SimpleCyclicCmma, SimpleUnit, Naive],
    ),
];

const fn row(
    precision: Precision,
    class: ShapeClass,
    layout: Option<Layout>,
    kernels: &'static [Kernel],
) -> PlanRow {
    PlanRow {
        precision,
        class,
        layout,
        kernels,
    }
}
