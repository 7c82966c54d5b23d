use dacapo_rsa::{Rdm, Spearman};
use serde::Serialize;

use crate::CliError;

/// How good predictions are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean squared error of the validated objects.
    pub valid_loss: f64,
    /// The coefficient of determination of each dimension of the validated objects:
    /// 1 - sum (y - prediction)² / sum (y - mean y)².
    pub r2: Vec<f64>,
    /// Behavioural RSA of the held-out objects: Spearman's correlation and its p.
    pub rsa: Option<[f64; 2]>,
}

impl Figures {
    /// Of `predictions` `[n, dimensions]` of `targets`, row by row, without RSA.
    pub(crate) fn of(predictions: &[f64], targets: &[f32], dimensions: usize) -> Self {
        let errors = predictions.iter().zip(targets);
        let errors = errors.map(|(found, target)| (found - f64::from(*target)).powi(2));
        let errors: Vec<f64> = errors.collect();
        let rows = (targets.len() / dimensions) as f64;
        let column = |values: &dyn Fn(usize) -> f64, dimension: usize| -> f64 {
            let places = (dimension..targets.len()).step_by(dimensions);
            places.map(values).sum()
        };
        let r2 = (0..dimensions).map(|dimension| {
            let mean = column(&|at| f64::from(targets[at]), dimension) / rows;
            let total = column(&|at| (f64::from(targets[at]) - mean).powi(2), dimension);
            1.0 - column(&|at| errors[at], dimension) / total
        });
        Self {
            valid_loss: errors.iter().sum::<f64>() / targets.len() as f64,
            r2: r2.collect(),
            rsa: None,
        }
    }

    /// With the RSA of `predictions` `[n, dimensions]` of the held-out objects.
    pub(crate) fn with_rsa(
        self,
        predictions: &[f64],
        dimensions: usize,
        reference: &Rdm,
    ) -> Result<Self, CliError> {
        let rdm = Rdm::from_predictions(predictions, reference.size(), dimensions)?;
        let found = Spearman::between(&rdm, reference)?;
        Ok(Self {
            rsa: Some([found.rho, found.p_value]),
            ..self
        })
    }

    /// Mean of the dimensions' R².
    pub fn r2_mean(&self) -> f64 {
        self.r2.iter().sum::<f64>() / self.r2.len() as f64
    }

    /// Median of the dimensions' R².
    pub fn r2_median(&self) -> f64 {
        let mut sorted = self.r2.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        match sorted.len() % 2 {
            1 => sorted[half],
            _ => (sorted[half - 1] + sorted[half]) / 2.0,
        }
    }
}
