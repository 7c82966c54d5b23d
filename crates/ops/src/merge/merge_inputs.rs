use burn::tensor::{Tensor, backend::Backend};

/// The tensors of a DoRA merge.
#[derive(Clone, Debug)]
pub struct MergeInputs<B: Backend> {
    /// W, `[in, out]`, frozen: it gets no gradient.
    pub weight: Tensor<B, 2>,
    /// A, `[rank, in]`.
    pub lora_a: Tensor<B, 2>,
    /// B, `[out, rank]`.
    pub lora_b: Tensor<B, 2>,
    /// m, `[out]`.
    pub magnitude: Tensor<B, 1>,
}

impl<B: Backend> MergeInputs<B> {
    pub(super) fn check(&self) {
        let [d_in, d_out] = self.weight.dims();
        let [rank, _] = self.lora_a.dims();
        let found = (
            self.lora_a.dims(),
            self.lora_b.dims(),
            self.magnitude.dims(),
        );
        assert!(
            found == ([rank, d_in], [d_out, rank], [d_out]),
            "dora_merge: expected A [rank, {d_in}], B [{d_out}, rank] and m [{d_out}] for W \
             [{d_in}, {d_out}], found {found:?}"
        );
    }
}
