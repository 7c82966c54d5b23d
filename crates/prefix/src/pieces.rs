use burn::tensor::{Tensor, backend::Backend};
use dacapo_ops::gather_rows;

/// Rows of many samples, in tensors of a bounded size.
#[derive(Debug)]
pub(crate) struct Pieces<B: Backend> {
    /// `[samples, ..]` each, all of `samples` but the last.
    pieces: Vec<Tensor<B, 3>>,
    samples: usize,
}

impl<B: Backend> Pieces<B> {
    /// No rows yet; the pieces that will be added have so many samples.
    pub(crate) fn of(samples: usize) -> Self {
        Self {
            pieces: Vec::new(),
            samples,
        }
    }

    pub(crate) fn push(&mut self, piece: Tensor<B, 3>) {
        self.pieces.push(piece);
    }

    /// The rows of these samples, in this order.
    pub(crate) fn select(&self, indices: &[usize]) -> Tensor<B, 3> {
        let row = |index: &usize| (index / self.samples, index % self.samples);
        let rows: Vec<(usize, usize)> = indices.iter().map(row).collect();
        gather_rows(&self.pieces, &rows)
    }
}
