use crate::PeftError;

/// A tensor of finite values, row by row. A scalar has no sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// A tensor of row-major `values`.
    ///
    /// # Errors
    /// [`PeftError::Shape`]: a size is 0. [`PeftError::Count`]: there are more or fewer values.
    /// [`PeftError::NonFinite`].
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Result<Self, PeftError> {
        check_values(&shape, &values)?;
        Ok(Self { shape, values })
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Its values, row by row.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Whether `values` fill `shape`, which is not empty, and are finite.
pub(crate) fn check_values(shape: &[usize], values: &[f32]) -> Result<(), PeftError> {
    if shape.contains(&0) {
        return Err(PeftError::Shape {
            expected: "sizes of at least 1".to_owned(),
            found: shape.to_owned(),
        });
    }
    let count = shape
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size));
    if count != Some(values.len()) {
        return Err(PeftError::Count {
            shape: shape.to_owned(),
            expected: count.map_or("a countable number of".to_owned(), |n| n.to_string()),
            found: values.len(),
        });
    }
    check_finite(values)
}

pub(crate) fn check_finite(values: &[f32]) -> Result<(), PeftError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(PeftError::NonFinite {
            index,
            value: values[index],
        }),
    }
}
