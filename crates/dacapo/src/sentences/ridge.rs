use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Linear regression with an L2 penalty and an intercept that has none (Hoerl and Kennard 1970), the
/// penalty chosen by the squared error of each sample left out: scikit-learn's `RidgeCV`.
///
/// On the host in f64, by one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    alpha: f64,
    /// `[inputs, outputs]`.
    weight: DMatrix<f64>,
    intercept: DVector<f64>,
}

impl Ridge {
    /// Fits `targets` `[n, outputs]` to `inputs` `[n, width]`, both row by row, with the best of
    /// `alphas`; the first of several that are equally good.
    ///
    /// The residual of a sample that is left out is its residual over 1 - h, where h is its element
    /// of the diagonal of X (XᵀX + alpha I)⁻¹ Xᵀ + 1/n, with centred X.
    ///
    /// # Panics
    /// If there is no sample, no alpha, or rows are not of the same width.
    pub fn fit(inputs: &[f64], targets: &[f64], width: usize, alphas: &[f64]) -> Self {
        let samples = inputs.len() / width;
        assert!(
            samples > 0 && samples * width == inputs.len() && targets.len().is_multiple_of(samples),
            "Ridge::fit: {} inputs of width {width}, {} targets",
            inputs.len(),
            targets.len()
        );
        let outputs = targets.len() / samples;
        let mut x = DMatrix::from_row_slice(samples, width, inputs);
        let mut y = DMatrix::from_row_slice(samples, outputs, targets);
        let (x_mean, y_mean) = (x.row_mean(), y.row_mean());
        x.row_iter_mut().for_each(|mut row| row -= &x_mean);
        y.row_iter_mut().for_each(|mut row| row -= &y_mean);

        // XᵀX = V L Vᵀ, once for every alpha.
        let SymmetricEigen {
            eigenvectors,
            eigenvalues,
        } = SymmetricEigen::new(x.tr_mul(&x));
        let turned = &x * &eigenvectors;
        let projected = turned.tr_mul(&y);
        let solve = |alpha: f64| {
            let mut solution = projected.clone();
            for (mut row, value) in solution.row_iter_mut().zip(eigenvalues.iter()) {
                row /= value + alpha;
            }
            solution
        };
        let left_out = |alpha: f64| -> f64 {
            let residuals = &y - &turned * solve(alpha);
            let mut sum = 0.0;
            for (row, residual) in turned.row_iter().zip(residuals.row_iter()) {
                let own = row.iter().zip(eigenvalues.iter());
                let own: f64 = own.map(|(x, value)| x * x / (value + alpha)).sum();
                let rest = 1.0 - own - 1.0 / samples as f64;
                sum += residual.iter().map(|r| (r / rest).powi(2)).sum::<f64>();
            }
            sum
        };
        let scored = alphas.iter().map(|alpha| (*alpha, left_out(*alpha)));
        let best = scored.reduce(|best, next| if next.1 < best.1 { next } else { best });
        let (alpha, _) = best.expect("Ridge::fit: at least one alpha");

        let weight = eigenvectors * solve(alpha);
        let intercept = (y_mean - x_mean * &weight).transpose();
        Self {
            alpha,
            weight,
            intercept,
        }
    }

    /// The penalty that was chosen.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Predictions `[n, outputs]` for `inputs` `[n, width]`, row by row.
    ///
    /// # Panics
    /// If the inputs are of another width.
    pub fn predict(&self, inputs: &[f64]) -> Vec<f64> {
        let width = self.weight.nrows();
        let x = DMatrix::from_row_slice(inputs.len() / width, width, inputs);
        let mut y = x * &self.weight;
        let intercept = self.intercept.transpose();
        y.row_iter_mut().for_each(|mut row| row += &intercept);
        // Column by column as it lies, so that its transpose is row by row.
        y.transpose().as_slice().to_vec()
    }
}
