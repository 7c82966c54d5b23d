use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

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
        if let [piece] = self.pieces.as_slice() {
            return select(piece, indices);
        }
        // Piece by piece, then into their order.
        let (mut found, mut place) = (Vec::new(), vec![0; indices.len()]);
        let mut taken = 0;
        for (at, piece) in self.pieces.iter().enumerate() {
            let mut here = Vec::new();
            for (position, index) in indices.iter().enumerate() {
                if index / self.samples == at {
                    place[position] = taken + here.len();
                    here.push(index % self.samples);
                }
            }
            if !here.is_empty() {
                taken += here.len();
                found.push(select(piece, &here));
            }
        }
        select(&Tensor::cat(found, 0), &place)
    }
}

fn select<B: Backend>(rows: &Tensor<B, 3>, indices: &[usize]) -> Tensor<B, 3> {
    let count = indices.len();
    let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    let indices = TensorData::new(indices, [count]);
    let indices: Tensor<B, 1, Int> = Tensor::from_data(indices, &rows.device());
    rows.clone().select(0, indices)
}
