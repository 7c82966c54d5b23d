use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// Rows of many samples, in tensors of a bounded size.
#[derive(Debug)]
pub(crate) struct Pieces<B: Backend> {
    /// `[samples, ..]` each, all of `samples` but the last.
    pieces: Vec<Tensor<B, 3>>,
    samples: usize,
}

impl<B: Backend> Pieces<B> {
    /// Joins `blocks` of rows, as many at a time as `bytes` hold.
    pub(crate) fn join(blocks: Vec<Tensor<B, 3>>, bytes: usize) -> Self {
        let [in_block, height, width] = blocks[0].dims();
        let size = blocks[0].dtype().size() * in_block * height * width;
        let together = (bytes / size.max(1)).max(1);
        let mut pieces = Vec::new();
        let mut blocks = blocks.into_iter().peekable();
        while blocks.peek().is_some() {
            pieces.push(Tensor::cat(blocks.by_ref().take(together).collect(), 0));
        }
        Self {
            samples: together * in_block,
            pieces,
        }
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
