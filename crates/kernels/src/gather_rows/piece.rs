use cubecl::server::Handle;

/// A tensor `[rows, ..]` on the device, contiguous, that rows are taken from.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Where it lies.
    pub handle: &'a Handle,
    /// Number of rows.
    pub rows: usize,
}
