use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};
use dacapo_ops::mean;

use crate::ModelsError;

/// The mean cross-entropy `[1]` of `logits` `[n, classes]` against the class
/// `targets[i]` of each row, in nats: `log sum_j exp(l_ij) - l_i,targets[i]`,
/// computed with each row's largest logit subtracted.
///
/// Only elementwise operations and sums over an axis, forward and backward:
/// no gather or scatter, whose order of additions a GPU does not fix.
///
/// # Errors
/// [`ModelsError::TargetCount`] unless there is one target a row and at least
/// one row, [`ModelsError::TargetRange`] for a target that is no class.
pub fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &[usize],
) -> Result<Tensor<B, 1>, ModelsError> {
    let [n, classes] = logits.dims();
    check_targets(n, classes, targets)?;
    let mut others = vec![true; n * classes];
    for (row, &target) in targets.iter().enumerate() {
        others[row * classes + target] = false;
    }
    let others = TensorData::new(others, [n, classes]);
    let others = Tensor::<B, 2, Bool>::from_data(others, &logits.device());

    // A constant: the loss does not depend on it.
    let largest = logits.clone().detach().set_require_grad(false).max_dim(1);
    let shifted = logits - largest;
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    // Filled, not multiplied by a one-hot: 0 * -inf would be NaN.
    let of_target = shifted.mask_fill(others, 0.0).sum_dim(1);
    Ok(mean(log_sum - of_target))
}

/// How many rows of `logits` `[n, classes]` have their largest value at
/// `targets[i]`. Of equal largest values the first counts; a row with a NaN
/// is never right.
///
/// # Errors
/// As [`cross_entropy`].
pub fn count_correct<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &[usize],
) -> Result<usize, ModelsError> {
    let [n, classes] = logits.dims();
    check_targets(n, classes, targets)?;
    let values: Vec<f64> = logits.into_data().iter::<f64>().collect();
    let correct = |(row, &target): (&[f64], &usize)| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let whole = row.iter().all(|value| !value.is_nan());
        whole && row.iter().position(|&value| value == largest) == Some(target)
    };
    let rows = values.chunks_exact(classes).zip(targets);
    Ok(rows.filter(|&pair| correct(pair)).count())
}

fn check_targets(rows: usize, classes: usize, targets: &[usize]) -> Result<(), ModelsError> {
    if rows != targets.len() || rows == 0 {
        return Err(ModelsError::TargetCount {
            rows,
            targets: targets.len(),
        });
    }
    match targets.iter().position(|&target| target >= classes) {
        None => Ok(()),
        Some(position) => Err(ModelsError::TargetRange {
            position,
            target: targets[position],
            classes,
        }),
    }
}
