use std::ops::Range;

/// How one tensor of the model is made of one of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorRule {
    /// The model's stable path.
    pub ours: String,
    /// The model's shape.
    pub shape: Vec<usize>,
    /// The name in the file.
    pub source: String,
    /// The shape in the file.
    pub source_shape: Vec<usize>,
    pub take: Take,
}

/// What is done with the values in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// They are in the model's order.
    All,
    /// The first of them, in the model's order.
    First,
    /// A matrix `[rows, columns]` is turned: `[out, in]`, as PyTorch stores it, to
    /// `[in, out]`. All dimensions of the source after the first are one.
    Turned,
    /// This third of the rows, which are queries, keys and values.
    Third(usize),
    /// That third, turned.
    ThirdTurned(usize),
}

impl TensorRule {
    /// A tensor in the model's order, perhaps of another shape.
    pub fn all(
        ours: impl Into<String>,
        shape: &[usize],
        source: impl Into<String>,
        source_shape: &[usize],
    ) -> Self {
        Self {
            ours: ours.into(),
            shape: shape.to_vec(),
            source: source.into(),
            source_shape: source_shape.to_vec(),
            take: Take::All,
        }
    }

    /// A weight `[in, out]` from `[out, in]`.
    pub fn turned(ours: String, [d_in, d_out]: [usize; 2], source: String) -> Self {
        Self {
            ours,
            shape: vec![d_in, d_out],
            source,
            source_shape: vec![d_out, d_in],
            take: Take::Turned,
        }
    }

    /// Weight `[in, out]` and bias of a linear layer.
    pub fn linear(ours: &str, sizes: [usize; 2], source: &str) -> [Self; 2] {
        let bias = [sizes[1]];
        [
            Self::turned(format!("{ours}.weight"), sizes, format!("{source}.weight")),
            Self::all(
                format!("{ours}.bias"),
                &bias,
                format!("{source}.bias"),
                &bias,
            ),
        ]
    }

    /// Both tensors of a layer norm.
    pub fn norm(ours: &str, d: usize, source: &str) -> [Self; 2] {
        [("gamma", "weight"), ("beta", "bias")].map(|(own, name)| {
            Self::all(
                format!("{ours}.{own}"),
                &[d],
                format!("{source}.{name}"),
                &[d],
            )
        })
    }

    /// The model's values, of those in the file.
    pub fn apply(&self, values: Vec<f32>) -> Vec<f32> {
        let part = &values[self.part(values.len())];
        match self.take {
            Take::All => values,
            Take::First | Take::Third(_) => part.to_vec(),
            Take::Turned | Take::ThirdTurned(_) => turned(part, self.shape[1]),
        }
    }

    /// Puts the model's values where [`apply`](Self::apply) takes them from.
    pub fn put_back(&self, values: &[f32], source: &mut [f32]) {
        let part = self.part(source.len());
        let part = &mut source[part];
        match self.take {
            Take::All | Take::First | Take::Third(_) => part.copy_from_slice(values),
            Take::Turned | Take::ThirdTurned(_) => {
                part.copy_from_slice(&turned(values, self.shape[0]));
            }
        }
    }

    /// Which of so many values of the source are the model's.
    fn part(&self, source: usize) -> Range<usize> {
        match self.take {
            Take::All | Take::Turned => 0..source,
            Take::First => 0..self.shape.iter().product(),
            Take::Third(part) | Take::ThirdTurned(part) => {
                let third = source / 3;
                part * third..(part + 1) * third
            }
        }
    }
}

/// `[rows, columns]`, row-major, as `[columns, rows]`.
fn turned(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    let mut to = Vec::with_capacity(values.len());
    for column in 0..columns {
        to.extend((0..rows).map(|row| values[row * columns + column]));
    }
    to
}
