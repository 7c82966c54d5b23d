//! The kernel plan: which kernel multiplies matrices of which shape. Pure: it needs no GPU.

mod kernel;
mod kernel_plan;
mod layout;
mod matmul_shape;
mod plan_row;
mod shape_class;
mod table;
mod tiling;

pub use kernel::Kernel;
pub use kernel_plan::KernelPlan;
pub use layout::Layout;
pub use matmul_shape::MatmulShape;
pub use plan_row::PlanRow;
pub use shape_class::ShapeClass;
pub use tiling::Tiling;
