use cubecl::server::Handle;

/// What products with a [`Finish`](super::Finish) gave, `[batch, m, n]` each, contiguous.
#[derive(Clone, Debug)]
pub struct Finished {
    /// f32, or bf16 if it was to be rounded.
    pub out: Handle,
    /// The sums that an activation was computed of, f32.
    pub sums: Option<Handle>,
}
