use super::{Kernel, Layout, MatmulShape, ShapeClass};
use crate::Precision;

/// One line of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// The precision it is for.
    pub precision: Precision,
    /// The shapes it is for.
    pub class: ShapeClass,
    /// The layout it is for, or all.
    pub layout: Option<Layout>,
    /// The kernels, best first.
    pub kernels: &'static [Kernel],
}

impl PlanRow {
    /// Whether this line is for such a product.
    pub fn matches(&self, precision: Precision, shape: &MatmulShape) -> bool {
        self.precision == precision
            && self.class == ShapeClass::of(shape)
            && self.layout.is_none_or(|layout| layout == shape.layout)
    }

    /// `tf32 large nn: kernel, kernel`.
    pub(crate) fn text(&self) -> String {
        let kernels: Vec<_> = self.kernels.iter().map(|kernel| kernel.name()).collect();
        format!(
            "{} {} {}: {}",
            self.precision,
            self.class.name(),
            self.layout.map_or("any", Layout::name),
            kernels.join(", ")
        )
    }
}
