use crate::PeftError;
use crate::tensor::check_values;

/// A matrix of finite values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// A matrix `[rows, columns]` of row-major `values`.
    ///
    /// # Errors
    /// [`PeftError::Shape`]: a side is 0. [`PeftError::Count`]: there are more or fewer values.
    /// [`PeftError::NonFinite`].
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Result<Self, PeftError> {
        check_values(&[rows, columns], &values)?;
        Ok(Self {
            rows,
            columns,
            values,
        })
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns it has.
    pub fn columns(&self) -> usize {
        self.columns
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
