use crate::RsaError;

/// How far an element may be from its mirror image, and one of the diagonal from zero.
const TOLERANCE: f64 = 1e-12;

/// A representational dissimilarity matrix `[n, n]` of at least 3 objects: exactly
/// symmetric, zero on the diagonal, finite (Kriegeskorte et al. 2008).
#[derive(Debug, Clone, PartialEq)]
pub struct Rdm {
    size: usize,
    values: Vec<f64>,
}

impl Rdm {
    /// The dissimilarities of the rows of `predictions`, which is `[rows, columns]`, row
    /// by row: `1 - r` with Pearson's correlation `r`, between 0 and 2.
    ///
    /// # Errors
    /// [`RsaError::Content`] for fewer than 3 rows or 2 columns, or another number of
    /// values; [`RsaError::Prediction`] for a row with a value that is not finite, or
    /// whose values are all equal.
    pub fn from_predictions(
        predictions: &[f64],
        rows: usize,
        columns: usize,
    ) -> Result<Self, RsaError> {
        let origin = "predictions";
        check_size(origin, rows)?;
        if columns < 2 || rows.checked_mul(columns) != Some(predictions.len()) {
            return Err(RsaError::Content {
                origin: origin.to_owned(),
                expected: "rows * columns values, in at least 2 columns".to_owned(),
                found: format!("{} values for [{rows}, {columns}]", predictions.len()),
                advice: "Give the shape that the values have, row by row",
            });
        }
        let mut centred = predictions.to_vec();
        for (row, values) in (1..).zip(centred.chunks_exact_mut(columns)) {
            centre(row, values)?;
        }
        let row = |index: usize| &centred[index * columns..][..columns];
        let squares: Vec<f64> = (0..rows).map(|i| dot(row(i), row(i))).collect();
        let mut values = vec![0.0; rows * rows];
        for i in 0..rows {
            for j in 0..i {
                let correlation = dot(row(i), row(j)) / (squares[i] * squares[j]).sqrt();
                // Rounding can take it out of range.
                let dissimilarity = 1.0 - correlation.clamp(-1.0, 1.0);
                values[i * rows + j] = dissimilarity;
                values[j * rows + i] = dissimilarity;
            }
        }
        Ok(Self { size: rows, values })
    }

    /// The matrix `values`, which is `[size, size]`, row by row. It may be asymmetric by
    /// 1e-12, and its diagonal as far from zero; the elements below the diagonal are
    /// kept.
    ///
    /// # Errors
    /// [`RsaError::Content`] for fewer than 3 objects or another number of values;
    /// [`RsaError::Element`] for one that is not finite, not zero on the diagonal or
    /// not its mirror image.
    pub fn from_dissimilarities(size: usize, values: Vec<f64>) -> Result<Self, RsaError> {
        let origin = "dissimilarities";
        if size.checked_mul(size) != Some(values.len()) {
            return Err(RsaError::Content {
                origin: origin.to_owned(),
                expected: format!("size * size values for a size of {size}"),
                found: format!("{} values", values.len()),
                advice: "Give the whole square matrix, row by row",
            });
        }
        Self::checked(origin, size, values)
    }

    /// As [`Self::from_dissimilarities`]; `values` must be `size * size`.
    pub(crate) fn checked(
        origin: &str,
        size: usize,
        mut values: Vec<f64>,
    ) -> Result<Self, RsaError> {
        check_size(origin, size)?;
        for i in 0..size {
            for j in 0..size {
                let value = values[i * size + j];
                let mirror = values[j * size + i];
                let expected = if !value.is_finite() {
                    "a finite number".to_owned()
                } else if i == j && value.abs() > TOLERANCE {
                    "0 on the diagonal".to_owned()
                } else if j < i && (value - mirror).abs() > TOLERANCE {
                    format!("{mirror}, as in element ({}, {})", j + 1, i + 1)
                } else {
                    continue;
                };
                return Err(RsaError::Element {
                    origin: origin.to_owned(),
                    row: i + 1,
                    column: j + 1,
                    expected,
                    found: value.to_string(),
                    advice: "Give a symmetric matrix of dissimilarities, not of similarities",
                });
            }
        }
        for i in 0..size {
            values[i * size + i] = 0.0;
            for j in 0..i {
                values[j * size + i] = values[i * size + j];
            }
        }
        Ok(Self { size, values })
    }

    /// Number of objects.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The whole matrix `[n, n]`, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The `n (n - 1) / 2` elements below the diagonal, row by row.
    pub fn lower_triangle(&self) -> Vec<f64> {
        let rows = self.values.chunks_exact(self.size).enumerate();
        rows.flat_map(|(i, row)| &row[..i]).copied().collect()
    }
}

fn check_size(origin: &str, size: usize) -> Result<(), RsaError> {
    if size >= 3 {
        return Ok(());
    }
    Err(RsaError::Content {
        origin: origin.to_owned(),
        expected: "at least 3 objects".to_owned(),
        found: size.to_string(),
        advice: "Give more objects: fewer have no rank correlation",
    })
}

/// Brings a row's largest value near 1, so that nothing overflows, and its mean to zero.
fn centre(row: usize, values: &mut [f64]) -> Result<(), RsaError> {
    let refuse = |expected, found, advice| {
        Err(RsaError::Prediction {
            row,
            expected,
            found,
            advice,
        })
    };
    if let Some(column) = values.iter().position(|value| !value.is_finite()) {
        let found = format!("{} in column {}", values[column], column + 1);
        let advice = "Check the model for an overflow";
        return refuse("finite numbers", found, advice);
    }
    if values.iter().all(|value| *value == values[0]) {
        let found = format!("{} in all columns", values[0]);
        let advice = "Leave this object out, or check the model: a constant has no correlation";
        return refuse("different numbers", found, advice);
    }
    let largest = values
        .iter()
        .fold(0.0, |max: f64, value| max.max(value.abs()));
    let (_, exponent) = libm::frexp(largest);
    // By a power of two, which is exact.
    for value in values.iter_mut() {
        *value = libm::scalbn(*value, -exponent);
    }
    let mean = values.iter().fold(0.0, |sum, value| sum + value) / values.len() as f64;
    for value in values {
        *value -= mean;
    }
    Ok(())
}

/// Summed from the first to the last.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + x * y)
}
