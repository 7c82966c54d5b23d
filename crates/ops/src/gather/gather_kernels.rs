use burn::tensor::{backend::Backend, ops::FloatTensor};

/// A backend with a kernel that gathers rows.
pub(crate) trait GatherKernels: Backend {
    /// What [`gather_rows`](super::gather_rows) gives, whose checks are passed; `None` if the kernel
    /// does not take the pieces.
    fn gather_rows(
        pieces: Vec<FloatTensor<Self>>,
        rows: &[(usize, usize)],
    ) -> Option<FloatTensor<Self>>;
}
