//! Where the forward pass can be cut in two.

use std::collections::BTreeSet;

use burn::tensor::{Tensor, backend::Backend};
use dacapo_prefix::SplitForward;
use dacapo_rng::DropoutKey;

use super::Bert;
use crate::Cut;

/// A forward pass at a [`Cut`].
struct Pass<B: Backend> {
    /// The residual stream, `[n, tokens, d_model]`.
    stream: Tensor<B, 3>,
    /// What the output projection gets, of the same shape; there only before one.
    joined: Option<Tensor<B, 3>>,
    /// `[n, tokens, 1]`: 1 for a token and 0 for padding.
    mask: Tensor<B, 3>,
}

impl<B: Backend> Pass<B> {
    fn start(model: &Bert<B>, input: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Self {
        let [n, tokens] = input.dims();
        let padding = input.clone().lower_elem(0.0).reshape([n, tokens, 1]);
        let stream = model.embed.forward(input, dropout);
        let ones = Tensor::ones([n, tokens, 1], (&stream.device(), stream.dtype()));
        Self {
            mask: ones.mask_fill(padding, 0.0),
            stream,
            joined: None,
        }
    }

    /// From one place in the model's blocks to a later one.
    fn advance(
        mut self,
        model: &Bert<B>,
        from: Cut,
        to: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Self {
        let [n, tokens, _] = self.mask.dims();
        let none = self.mask.clone().equal_elem(0.0);
        let padding = self.mask.zeros_like().mask_fill(none, f32::NEG_INFINITY);
        let padding = padding.reshape([n, 1, 1, tokens]);
        let mut at = from;
        while at < to {
            let block = &model.blocks[at.place().0];
            match self.joined.take() {
                Some(joined) => self.stream = block.project(self.stream, joined, dropout),
                None => {
                    let stream = self.stream.clone();
                    self.joined = Some(block.joined(stream, padding.clone(), dropout));
                }
            }
            at = at.next();
        }
        self
    }

    /// The mean of each sentence's tokens, `[n, 1, d_model]`.
    fn pooled(self) -> Tensor<B, 3> {
        let tokens = self.mask.clone().sum_dim(1);
        (self.stream * self.mask).sum_dim(1) / tokens
    }
}

impl<B: Backend> Bert<B> {
    /// The last hidden states of what [`Sentences::tensor`](super::Sentences::tensor) gives.
    pub(super) fn hidden(&self, input: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let pass = Pass::start(self, input, dropout);
        let pass = pass.advance(self, Self::start(), self.end(), dropout);
        pass.stream
    }
}

/// Gets what [`Sentences::tensor`](super::Sentences::tensor) gives: ids `[n, tokens]`, of which no
/// bit is lost, and below zero padding. Gives what [`Bert::embed`] gives.
///
/// The parts at a cut are the residual stream, before an output projection what it gets, and last
/// the mask `[n, tokens, 1]`, 1 for a token and 0 for padding. After all blocks the embedding
/// `[n, 1, d_model]` is the only part: nothing reads the tokens.
impl<B: Backend> SplitForward<B, 2> for Bert<B> {
    type Output = Tensor<B, 2>;
    type Cut = Cut;

    fn start() -> Cut {
        Cut::block(0)
    }

    fn cut(&self, trainable: &BTreeSet<String>) -> Option<Cut> {
        let trainable = trainable.iter().map(String::as_str);
        Cut::before(
            self.blocks.len(),
            &[],
            &["norm1", "norm2", "mlp"],
            trainable,
        )
    }

    fn prefix(
        &self,
        input: Tensor<B, 2>,
        cut: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, 3>> {
        let pass = Pass::start(self, input, dropout);
        let pass = pass.advance(self, Self::start(), cut, dropout);
        if cut == self.end() {
            return vec![pass.pooled()];
        }
        let parts = [Some(pass.stream), pass.joined, Some(pass.mask)];
        parts.into_iter().flatten().collect()
    }

    fn suffix(
        &self,
        mut parts: Vec<Tensor<B, 3>>,
        cut: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        let pooled = match cut == self.end() {
            true => parts.remove(0),
            false => {
                let mask = parts.pop().expect("a mask is the last part");
                let mut parts = parts.into_iter();
                let pass = Pass {
                    stream: parts.next().expect("a stream is the first part"),
                    joined: parts.next(),
                    mask,
                };
                pass.advance(self, cut, self.end(), dropout).pooled()
            }
        };
        let [n, _, d] = pooled.dims();
        pooled.reshape([n, d])
    }
}
