/// Where a step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepMode {
    /// Into the buffers of parameters and moments themselves: nobody else may
    /// still need their old contents.
    InPlace,
    /// Into new buffers. Many of them share a piece of memory, which is free again
    /// when nobody holds any of its buffers.
    Fresh,
}
