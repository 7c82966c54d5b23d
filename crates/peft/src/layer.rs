use crate::tensor::check_finite;
use crate::{LayerKind, Matrix, PeftError};

/// The adapter of one layer, as trained values on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct PeftLayer {
    kind: LayerKind,
    a: Matrix,
    b: Matrix,
    magnitude: Option<Vec<f32>>,
    inputs: usize,
}

impl PeftLayer {
    /// A layer of `a` `[r, in]` (`[r, in·kernel..]` of a convolution), `b` `[out, r]` and, for
    /// DoRA, a `magnitude` `[out]`.
    ///
    /// # Errors
    /// [`PeftError::RankMismatch`], [`PeftError::MagnitudeAxis`], [`PeftError::Shape`] (a kernel
    /// that `a` does not fit, a magnitude of another length), [`PeftError::NonFinite`].
    pub fn new(
        kind: LayerKind,
        a: Matrix,
        b: Matrix,
        magnitude: Option<Vec<f32>>,
    ) -> Result<Self, PeftError> {
        if a.rows() != b.columns() {
            return Err(PeftError::RankMismatch {
                a: [a.rows(), a.columns()],
                b: [b.rows(), b.columns()],
            });
        }
        let inputs = inputs(&kind, &a)?;
        if let Some(magnitude) = &magnitude {
            if magnitude.len() != b.rows() {
                return Err(wrong_magnitude(&[magnitude.len()], inputs, &[b.rows()]));
            }
            check_finite(magnitude)?;
        }
        Ok(Self {
            kind,
            a,
            b,
            magnitude,
            inputs,
        })
    }

    /// What kind of layer it adapts.
    pub fn kind(&self) -> &LayerKind {
        &self.kind
    }

    /// A `[r, in]`, or `[r, in·kernel..]` of a convolution.
    pub fn a(&self) -> &Matrix {
        &self.a
    }

    /// B `[out, r]`.
    pub fn b(&self) -> &Matrix {
        &self.b
    }

    /// DoRA's magnitude `[out]`.
    pub fn magnitude(&self) -> Option<&[f32]> {
        self.magnitude.as_deref()
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.a.rows()
    }

    /// Inputs of the layer: features, channels, or entries of an embedding.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the layer: features, channels, or values of an embedding's entry.
    pub fn outputs(&self) -> usize {
        self.b.rows()
    }

    /// A, B and the magnitude.
    pub fn into_parts(self) -> (Matrix, Matrix, Option<Vec<f32>>) {
        (self.a, self.b, self.magnitude)
    }
}

fn inputs(kind: &LayerKind, a: &Matrix) -> Result<usize, PeftError> {
    let LayerKind::Conv { kernel } = kind else {
        return Ok(a.columns());
    };
    let places = kernel
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size));
    match places {
        Some(places)
            if (1..=3).contains(&kernel.len())
                && places > 0
                && a.columns().is_multiple_of(places) =>
        {
            Ok(a.columns() / places)
        }
        _ => Err(PeftError::Shape {
            expected: format!("A [r, in·kernel] of a kernel {kernel:?} of 1 to 3 dimensions"),
            found: vec![a.rows(), a.columns()],
        }),
    }
}

/// Why a magnitude of the shape `found` is not that of the shape `due`.
pub(crate) fn wrong_magnitude(found: &[usize], inputs: usize, due: &[usize]) -> PeftError {
    let outputs = due.iter().product();
    let of_inputs = match found {
        // As tools store it that divide W by the norms of its columns.
        [1, length] if due.len() == 1 => *length == inputs,
        _ => inputs != outputs && found.iter().filter(|size| **size != 1).eq([&inputs]),
    };
    if of_inputs {
        return PeftError::MagnitudeAxis {
            found: found.to_owned(),
            inputs,
            outputs,
        };
    }
    PeftError::Shape {
        expected: format!("a magnitude of the shape {due:?}, one value for each output"),
        found: found.to_owned(),
    }
}
