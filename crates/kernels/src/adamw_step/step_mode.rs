/// Where a step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepMode {
    /// Into the buffers of parameters and moments themselves: nobody else may
    /// still need their old contents.
    InPlace,
    /// Into new buffers.
    Fresh,
}
