use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// The one token of each sequence that is read in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readout {
    /// The first: a class token.
    First,
    /// One of each sequence.
    At(Vec<usize>),
}

/// The tokens that are read, for a block that follows no others.
#[derive(Debug, Clone)]
pub(crate) struct Asking<'a, B: Backend> {
    /// Which they are.
    pub readout: &'a Readout,
    /// `[n, 1, d]`.
    pub tokens: Tensor<B, 3>,
}

impl Readout {
    /// Of `[n, tokens, d]` the tokens, `[n, 1, d]`.
    pub(crate) fn select<B: Backend>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, tokens, d] = x.dims();
        match self {
            Self::First => x.slice([0..n, 0..1, 0..d]),
            Self::At(places) => {
                let rows: Vec<i64> = (0..n).map(|at| (at * tokens + places[at]) as i64).collect();
                let rows = TensorData::new(rows, [n]);
                let rows: Tensor<B, 1, Int> = Tensor::from_data(rows, &x.device());
                x.reshape([n * tokens, d])
                    .select(0, rows)
                    .reshape([n, 1, d])
            }
        }
    }

    /// To be added to scores `[n, heads, 1, tokens]`: 0 up to the token, and minus infinity
    /// after it.
    pub(crate) fn causal_mask(&self, n: usize, tokens: usize) -> TensorData {
        let place = |sequence: usize| match self {
            Self::First => 0,
            Self::At(places) => places[sequence],
        };
        let mask: Vec<f32> = (0..n * tokens)
            .map(|at| match at % tokens > place(at / tokens) {
                true => f32::NEG_INFINITY,
                false => 0.0,
            })
            .collect();
        TensorData::new(mask, [n, 1, 1, tokens])
    }
}
