//! The loss and the count of right answers.

mod common;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use common::{DEVICE, Train};
use dacapo_models::{ModelsError, count_correct, cross_entropy};
use proptest::prelude::*;

fn logits(values: &[f64], classes: usize) -> Tensor<Train, 2> {
    let data = TensorData::new(values.to_vec(), [values.len() / classes, classes]);
    Tensor::from_data(data, (&DEVICE, DType::F64))
}

fn loss(values: &[f64], targets: &[usize]) -> f64 {
    let loss = cross_entropy(logits(values, values.len() / targets.len()), targets).unwrap();
    loss.into_data().iter::<f64>().next().unwrap()
}

proptest! {
    #[test]
    fn loss_or_gradient_is_not_the_definition(
        (classes, values, targets) in (1usize..6, 1usize..6).prop_flat_map(|(classes, n)| (
            Just(classes),
            proptest::collection::vec(-30.0..30.0f64, n * classes),
            proptest::collection::vec(0..classes, n),
        )),
    ) {
        let n = targets.len() as f64;
        let mut expected = 0.0;
        let mut slope = Vec::new();
        for (row, &target) in values.chunks(classes).zip(&targets) {
            let sum: f64 = row.iter().map(|l| l.exp()).sum();
            expected += (sum.ln() - row[target]) / n;
            slope.extend(row.iter().enumerate().map(|(j, l)| {
                (l.exp() / sum - f64::from(u8::from(j == target))) / n
            }));
        }
        let logits = logits(&values, classes).require_grad();
        let loss = cross_entropy(logits.clone(), &targets).unwrap();
        common::assert_close("loss", &loss.to_data(), &[expected], 1e-12);
        let gradient = logits.grad(&loss.backward()).unwrap();
        common::assert_close("gradient", &gradient.into_data(), &slope, 1e-12);
    }
}

#[test]
fn large_logits_overflow() {
    assert_eq!(loss(&[1e5, 0.0, -1e5], &[0]), 0.0);
    assert_eq!(loss(&[1e5, 0.0, -1e5], &[2]), 2e5);
}

#[test]
fn an_excluded_class_gives_nan() {
    let found = loss(&[0.0, f64::NEG_INFINITY, 0.0], &[0]);
    assert!((found - 2f64.ln()).abs() < 1e-15, "{found}");
}

#[test]
fn a_nan_is_hidden() {
    assert!(loss(&[0.0, f64::NAN, 0.0], &[0]).is_nan());
    assert!(loss(&[0.0, 1.0, f64::INFINITY], &[0]).is_nan());
}

#[test]
fn unusable_targets_are_taken() {
    let three = || logits(&[0.0; 6], 2);
    let count = |error| matches!(error, ModelsError::TargetCount { .. });
    assert!(count(cross_entropy(three(), &[0, 1]).unwrap_err()));
    assert!(count(count_correct(three(), &[0, 1, 1, 1]).unwrap_err()));
    let none = Tensor::<Flex, 2>::zeros([0, 2], &DEVICE);
    assert!(count(cross_entropy(none, &[]).unwrap_err()));
    let range = ModelsError::TargetRange {
        position: 1,
        target: 2,
        classes: 2,
    };
    assert_eq!(cross_entropy(three(), &[0, 2, 1]).unwrap_err(), range);
    assert_eq!(count_correct(three(), &[0, 2, 1]).unwrap_err(), range);
}

#[test]
fn a_tie_or_a_nan_counts_as_right() {
    let rows = [
        [1.0, 3.0, 2.0],
        [3.0, 3.0, 2.0],
        [3.0, 3.0, 2.0],
        [f64::NAN, 9.0, 1.0],
        [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
        [-3.0, -2.0, -1.0],
    ];
    let targets = [1, 0, 1, 1, 0, 2];
    let found = count_correct(logits(rows.as_flattened(), 3), &targets).unwrap();
    // Right: rows 0, 1, 4 and 5.
    assert_eq!(found, 4);
}
