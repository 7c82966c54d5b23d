use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use dacapo_ops::mean;
use dacapo_trainer::{PerturbationKind, StepContext, Task, TaskError, fingerprint};

use super::Predict;
use crate::{CliError, regression_targets::RegressionTargets};

/// Rows in one pass of an evaluation.
const EVALUATION_BATCH: usize = 256;

const VALID_LOSS: &str = "valid_loss";

/// Regression over rows in memory: mean squared error, on the last rows as `valid_loss`.
///
/// ```
/// use dacapo::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Four rows, of which the last one judges.
/// let rows = [0.0, 0.5, 1.0, 1.5].map(|x| ([x, x * x], [3.0 * x]));
/// let task: Regression<Cpu, DoraLinear<Cpu>> = Regression::new(rows, 1, FlexDevice)?;
/// # let _ = task;
/// # Ok(())
/// # }
/// ```
pub struct Regression<B: AutodiffBackend, M> {
    /// Row by row.
    inputs: Vec<f32>,
    width: usize,
    targets: RegressionTargets,
    train: usize,
    rows: usize,
    device: B::Device,
    model: PhantomData<fn() -> M>,
}

impl<B: AutodiffBackend, M> Regression<B, M> {
    /// Of rows of inputs and targets, of which the last `valid` judge every epoch and the others are
    /// trained on.
    ///
    /// # Errors
    /// No row to train or to judge on, a row of no or of another number of values than the first
    /// one, a value that is not finite; by the number of the row, from 0.
    pub fn new<X: AsRef<[f32]>, Y: AsRef<[f32]>>(
        rows: impl IntoIterator<Item = (X, Y)>,
        valid: usize,
        device: B::Device,
    ) -> Result<Self, CliError> {
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        let (mut widths, mut count) = ([0, 0], 0);
        for (row, (x, y)) in rows.into_iter().enumerate() {
            let (x, y) = (x.as_ref(), y.as_ref());
            if row == 0 {
                widths = [x.len(), y.len()];
            }
            for (what, values, width) in [("inputs", x, widths[0]), ("targets", y, widths[1])] {
                check(row, what, values, width)?;
            }
            inputs.extend_from_slice(x);
            targets.extend_from_slice(y);
            count = row + 1;
        }
        if valid == 0 || valid >= count {
            return Err(CliError::input(
                format!("{valid} of {count} rows are to judge the others"),
                "Leave at least one row to judge and one to train on",
            ));
        }
        Ok(Self {
            inputs,
            width: widths[0],
            targets: RegressionTargets::of_rows(targets, widths[1]),
            train: count - valid,
            rows: count,
            device,
            model: PhantomData,
        })
    }

    /// Inputs `[n, inputs]` of these rows.
    fn inputs<C: Backend<Device = B::Device>>(&self, rows: &[usize]) -> Tensor<C, 2> {
        let values = rows.iter();
        let values = values.flat_map(|row| &self.inputs[row * self.width..][..self.width]);
        let values: Vec<f32> = values.copied().collect();
        let data = TensorData::new(values, [rows.len(), self.width]);
        Tensor::from_data(data, &self.device)
    }

    /// Squared errors `[n, outputs]` of a model's predictions.
    fn errors<C: Backend<Device = B::Device>>(
        &self,
        predictions: Tensor<C, 2>,
        targets: Vec<f32>,
    ) -> Result<Tensor<C, 2>, TaskError> {
        let width = self.targets.width();
        let expected = [targets.len() / width, width];
        if predictions.dims() != expected {
            let found = predictions.dims();
            return Err(format!(
                "Predict::predict: expected predictions of the shape {expected:?}, found \
                 {found:?}. Give one row of {width} values for each row of inputs."
            )
            .into());
        }
        let targets = Tensor::from_data(TensorData::new(targets, expected), &self.device);
        let error = predictions - targets;
        Ok(error.clone() * error)
    }
}

fn check(row: usize, what: &str, values: &[f32], width: usize) -> Result<(), CliError> {
    let failed = |found: String, next: &str| {
        Err(CliError::input(
            format!("the {what} of row {row} {found}"),
            next,
        ))
    };
    if values.is_empty() {
        return failed("are empty".to_owned(), "Give at least one value");
    }
    if values.len() != width {
        let found = format!("are {} values, those of row 0 {width}", values.len());
        return failed(found, "Give as many for every row");
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => failed(format!("hold {value}"), "Give finite values only"),
        None => Ok(()),
    }
}

impl<B: AutodiffBackend, M> Task<B> for Regression<B, M>
where
    M: AutodiffModule<B> + Predict<B>,
    M::InnerModule: Predict<B::InnerBackend>,
{
    type Model = M;

    fn train_len(&self) -> usize {
        self.train
    }

    fn fingerprint(&self) -> String {
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let sizes = [self.rows, self.width, self.targets.width(), self.train];
        let sizes: Vec<u8> = sizes
            .iter()
            .flat_map(|size| (*size as u64).to_le_bytes())
            .collect();
        let (inputs, targets) = (bytes(&self.inputs), bytes(self.targets.values()));
        fingerprint([&sizes[..], &inputs, &targets])
    }

    fn loss(
        &self,
        model: &M,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let mut targets = self.targets.of(examples);
        if let Some(perturbation) = &mut context.perturbation {
            self.targets.perturb(perturbation, &mut targets);
        }
        let predictions = model.predict(self.inputs(examples), Some(&context.dropout));
        Ok(mean(self.errors(predictions, targets)?))
    }

    fn evaluate(&self, model: &M::InnerModule) -> Result<BTreeMap<String, f64>, TaskError> {
        let rows: Vec<usize> = (self.train..self.rows).collect();
        let mut sum = 0.0;
        for rows in rows.chunks(EVALUATION_BATCH) {
            let predictions = model.predict(self.inputs(rows), None);
            let errors = self.errors(predictions, self.targets.of(rows))?;
            sum += errors.into_data().iter::<f64>().sum::<f64>();
        }
        let loss = sum / (rows.len() * self.targets.width()) as f64;
        Ok(BTreeMap::from([(VALID_LOSS.to_owned(), loss)]))
    }

    fn metrics(&self) -> Option<BTreeSet<String>> {
        Some(BTreeSet::from([VALID_LOSS.to_owned()]))
    }

    fn perturbations(&self) -> &[PerturbationKind] {
        RegressionTargets::PERTURBATIONS
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::{Flex, FlexDevice};
    use dacapo_dora::DoraLinear;
    use dacapo_rng::{DropoutKey, RngHub, Stream};

    use super::*;
    use crate::compute::Cpu;

    type Of<M> = Regression<Cpu, M>;

    impl<B: Backend> Predict<B> for DoraLinear<B> {
        fn predict(&self, x: Tensor<B, 2>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
            self.forward(x, dropout)
        }
    }

    fn rows(count: usize) -> Vec<([f32; 2], [f32; 3])> {
        let row = |row: usize| {
            let x = [row as f32 / 8.0, (row * row % 7) as f32];
            (x, [x[0] - x[1], x[0] * x[1], 1.0])
        };
        (0..count).map(row).collect()
    }

    fn layer(d_out: usize) -> DoraLinear<Cpu> {
        DoraLinear::init(2, d_out, true, &mut Stream::named(1, "init"), &FlexDevice)
    }

    fn loss(task: &Of<DoraLinear<Cpu>>, d_out: usize, rows: &[usize]) -> Result<f64, String> {
        let mut rng = RngHub::new(1, &[]);
        let mut context = StepContext {
            dropout: DropoutKey::new(1, "dropout", 0, 0),
            rng: &mut rng,
            perturbation: None,
        };
        let loss = task.loss(&layer(d_out), rows, &mut context);
        let loss = loss.map_err(|error| error.to_string())?;
        Ok(loss.into_scalar().into())
    }

    /// The error of the rows, by plain loops.
    fn by_hand(rows: &[([f32; 2], [f32; 3])]) -> f64 {
        let layer = layer(3);
        let values = |data: TensorData| data.iter::<f64>().collect::<Vec<_>>();
        let weight = values(layer.merged_weight().into_data());
        let bias = values(layer.into_linear().bias.unwrap().val().into_data());
        let mut sum = 0.0;
        for (x, y) in rows {
            for out in 0..3 {
                let at = |input: usize| f64::from(x[input]) * weight[input * 3 + out];
                sum += (at(0) + at(1) + bias[out] - f64::from(y[out])).powi(2);
            }
        }
        sum / (3 * rows.len()) as f64
    }

    #[test]
    fn loss_or_judgement_is_of_other_rows() {
        let rows = rows(700);
        let task = Of::new(rows.clone(), 600, FlexDevice).unwrap();
        assert_eq!(Task::train_len(&task), 100);
        let [picked, valid] = [vec![rows[7], rows[3]], rows[100..].to_vec()];
        let found = loss(&task, 3, &[7, 3]).unwrap();
        assert!((found / by_hand(&picked) - 1.0).abs() < 1e-5, "{found}");
        let model: DoraLinear<Flex> = layer(3).valid();
        let found = task.evaluate(&model).unwrap();
        assert_eq!(
            found.keys().cloned().collect::<BTreeSet<_>>(),
            task.metrics().unwrap()
        );
        let found = found["valid_loss"];
        assert!((found / by_hand(&valid) - 1.0).abs() < 1e-5, "{found}");
    }

    #[test]
    fn predictions_of_another_shape_are_broadcast() {
        let task = Of::new(rows(4), 1, FlexDevice).unwrap();
        let told = loss(&task, 1, &[0, 1]).unwrap_err();
        assert!(told.contains("[2, 3]") && told.contains("[2, 1]"), "{told}");
        let model: DoraLinear<Flex> = layer(1).valid();
        assert!(task.evaluate(&model).is_err());
    }

    #[test]
    fn rows_that_cannot_be_are_accepted() {
        let of = |rows: &[(&[f32], &[f32])], valid| {
            let rows = rows.iter().copied();
            let task = Of::<DoraLinear<Cpu>>::new(rows, valid, FlexDevice);
            task.err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let good: (&[f32], &[f32]) = (&[1.0, 2.0], &[3.0]);
        assert_eq!(of(&[good, good], 1), "");
        for (told, rows, valid) in [
            ("0 of 2 rows", &[good, good][..], 0),
            ("2 of 2 rows", &[good, good], 2),
            ("0 of 0 rows", &[], 0),
            (
                "the inputs of row 1 are 1 values, those of row 0 2",
                &[good, (&[1.0], &[3.0])],
                1,
            ),
            (
                "the targets of row 1 are 2 values",
                &[good, (&[1.0, 2.0], &[3.0, 4.0])],
                1,
            ),
            ("the inputs of row 0 are empty", &[(&[], &[3.0]), good], 1),
            ("the targets of row 0 are empty", &[(&[1.0], &[])], 1),
            (
                "the inputs of row 1 hold NaN",
                &[good, (&[1.0, f32::NAN], &[3.0])],
                1,
            ),
            (
                "the targets of row 0 hold inf",
                &[(&[1.0, 2.0], &[f32::INFINITY]), good],
                1,
            ),
        ] {
            let found = of(rows, valid);
            assert!(found.starts_with(told), "{told}: {found}");
        }
    }

    #[test]
    fn other_rows_or_split_have_the_same_fingerprint() {
        let of = |rows: Vec<(Vec<f32>, Vec<f32>)>, valid| {
            let task = Of::<DoraLinear<Cpu>>::new(rows, valid, FlexDevice).unwrap();
            task.fingerprint()
        };
        let row = |x: &[f32], y: &[f32]| (x.to_vec(), y.to_vec());
        let rows = vec![
            row(&[1.0, 2.0], &[3.0]),
            row(&[4.0, 5.0], &[6.0]),
            row(&[7.0, 8.0], &[9.0]),
        ];
        let mut known = BTreeSet::from([of(rows.clone(), 1)]);
        assert_eq!(of(rows.clone(), 1), known.first().unwrap().clone());
        let turned = rows.iter().rev().cloned().collect();
        let mut input = rows.clone();
        input[0].0[1] = 2.5;
        let mut target = rows.clone();
        target[2].1[0] = 9.5;
        let narrow = vec![row(&[1.0], &[3.0]); 3];
        let wide = vec![row(&[1.0], &[1.0, 3.0]); 3];
        for (rows, valid) in [
            (rows, 2),
            (turned, 1),
            (input, 1),
            (target, 1),
            (narrow, 1),
            (wide, 1),
        ] {
            assert!(known.insert(of(rows, valid)), "known already");
        }
    }
}
