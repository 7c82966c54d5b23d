use burn::tensor::{backend::Backend, ops::FloatTensor};
use dacapo_kernels::dora_merge::MergeError;

use super::{MergeNorms, MergeSpec, MergeTensors};

/// W' `[in, out]`, and the norms that the gradients need.
pub(crate) type Merged<T> = (T, MergeNorms<T>);

/// A backend with fused DoRA kernels. What they refuse depends on types, sizes, constants and the
/// device alone.
pub(crate) trait MergeKernels: Backend {
    /// Whether the kernels know the float types and are meant for the sizes of these tensors.
    fn takes(tensors: &MergeTensors<FloatTensor<Self>>) -> bool;

    /// W' `[in, out]`, and the norms that [`gradients`](Self::gradients) needs.
    fn merge(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<Merged<FloatTensor<Self>>, MergeError>;

    /// n `[out]` alone, equal in every bit to that of [`merge`](Self::merge).
    fn norm(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
    ) -> Result<FloatTensor<Self>, MergeError>;

    /// The gradients of A, B and m for the gradient `[in, out]` of W'.
    ///
    /// # Panics
    /// If the kernels refuse it, which they do not after a merge.
    fn gradients(
        tensors: MergeTensors<FloatTensor<Self>>,
        spec: &MergeSpec,
        norms: MergeNorms<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}
