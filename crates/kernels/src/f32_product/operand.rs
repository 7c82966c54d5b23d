use cubecl::server::Handle;

/// One operand, of f32 if nothing else is said: a multiple of 16 bytes from the begin of the buffer
/// and between what the strides tell of.
#[derive(Debug, Clone)]
pub struct Operand {
    /// Begins with the first element.
    pub handle: Handle,
    /// Whether neighbours along k lie together in memory, `[outer, k]`; else `[k, outer]`, where
    /// outer is m of the left operand and n of the right.
    pub k_last: bool,
    /// Elements between two rows of that.
    pub stride: usize,
    /// Elements between two matrices; 0 if all products share this one.
    pub batch_stride: usize,
}

impl Operand {
    /// Elements from the first to the last of `batch` matrices of `outer` and `k`, none of them 0.
    pub(crate) fn extent(&self, batch: usize, outer: usize, k: usize) -> usize {
        let (rows, together) = if self.k_last { (outer, k) } else { (k, outer) };
        (batch - 1) * self.batch_stride + (rows - 1) * self.stride + together
    }
}
