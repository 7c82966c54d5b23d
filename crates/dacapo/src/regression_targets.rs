use dacapo_things::Targets;
use dacapo_trainer::{BatchPerturbation, PerturbationKind};

/// What examples are to be predicted as: a row of values each.
pub(crate) struct RegressionTargets {
    values: Vec<f32>,
    width: usize,
}

impl RegressionTargets {
    /// What [`perturb`](Self::perturb) does.
    pub(crate) const PERTURBATIONS: &[PerturbationKind] = &[
        PerturbationKind::LabelShuffle,
        PerturbationKind::RandomTargets,
    ];

    pub(crate) fn new(targets: &Targets) -> Self {
        let values = targets.values().iter();
        Self::of_rows(
            values.map(|value| *value as f32).collect(),
            Targets::DIMENSIONS,
        )
    }

    /// Of values row by row, `width` in each.
    pub(crate) fn of_rows(values: Vec<f32>, width: usize) -> Self {
        Self { values, width }
    }

    /// How many values a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Row by row.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Those of these examples, row by row.
    pub(crate) fn of(&self, examples: &[usize]) -> Vec<f32> {
        let rows = examples.iter();
        rows.flat_map(|index| &self.values[index * self.width..][..self.width])
            .copied()
            .collect()
    }

    /// In `targets` of a batch those to learn in a disturbed step, if it disturbs targets.
    pub(crate) fn perturb(&self, perturbation: &mut BatchPerturbation, targets: &mut Vec<f32>) {
        match perturbation.kind {
            PerturbationKind::LabelShuffle => {
                let rows: Vec<&[f32]> = targets.chunks(self.width).collect();
                let order = perturbation.order(rows.len());
                *targets = order.iter().flat_map(|row| rows[*row]).copied().collect();
            }
            PerturbationKind::RandomTargets => {
                let (mean, deviation) = self.distribution();
                *targets = perturbation.normal(targets.len(), mean, deviation);
            }
            _ => {}
        }
    }

    /// Mean and standard deviation (of the population) of every value of every target.
    fn distribution(&self) -> (f64, f64) {
        let values = || self.values.iter().map(|value| f64::from(*value));
        let count = self.values.len() as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        (mean, libm::sqrt(variance))
    }
}
