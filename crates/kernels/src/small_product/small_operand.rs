use crate::f32_product::Operand;
use crate::tensor_core_product::Stored;

/// An operand of products that come in groups.
#[derive(Debug, Clone)]
pub struct SmallOperand {
    /// Of one group.
    pub operand: Operand,
    /// What it consists of.
    pub stored: Stored,
    /// Elements between two groups; 0 if all share this one.
    pub group_stride: usize,
}

impl SmallOperand {
    /// Elements from the first to the last of `groups` of `batch` matrices of `outer` and `k`, none of them 0.
    pub(super) fn extent(&self, groups: usize, batch: usize, outer: usize, k: usize) -> usize {
        (groups - 1) * self.group_stride + self.operand.extent(batch, outer, k)
    }
}
