//! Splits are disjoint, complete, in proportion, and stable.

use std::collections::BTreeSet;

use dacapo_models::{Digits, ModelsError, Split};
use proptest::prelude::*;

fn union(split: &Split) -> Vec<usize> {
    let mut all = [&split.train[..], &split.valid, &split.test].concat();
    all.sort_unstable();
    all
}

proptest! {
    #[test]
    fn an_example_is_lost_or_in_two_parts(
        labels in proptest::collection::vec(0u8..6, 1..200),
        seed: u64,
        valid in 0.0..0.45f64,
        test in 0.0..0.45f64,
    ) {
        match Split::stratified(&labels, seed, valid, test) {
            Ok(split) => {
                prop_assert_eq!(union(&split), (0..labels.len()).collect::<Vec<_>>());
                for class in labels.iter().collect::<BTreeSet<_>>() {
                    let of = |part: &[usize]| part.iter().filter(|&&i| labels[i] == *class).count();
                    let len = of(&union(&split)) as f64;
                    prop_assert!(of(&split.train) > 0);
                    prop_assert!((of(&split.test) as f64 - len * test).abs() <= 0.5);
                    prop_assert!((of(&split.valid) as f64 - len * valid).abs() <= 0.5);
                }
                for part in [&split.train, &split.valid, &split.test] {
                    prop_assert!(part.is_sorted());
                }
            }
            Err(error) => {
                let empty = matches!(error, ModelsError::EmptyPart { .. });
                prop_assert!(empty, "{}", error);
            }
        }
    }

    #[test]
    fn a_class_is_split_otherwise_when_another_grows(
        labels in proptest::collection::vec(0u8..3, 60..100),
        more in 0usize..50,
        seed: u64,
    ) {
        let mut grown = labels.clone();
        grown.extend(std::iter::repeat_n(4u8, more + 4));
        let keep = |labels: &[u8]| {
            let split = Split::stratified(labels, seed, 0.2, 0.2).unwrap();
            [split.train, split.valid, split.test]
                .map(|part| part.into_iter().filter(|&i| labels[i] != 4).collect::<Vec<_>>())
        };
        prop_assume!(labels.iter().collect::<BTreeSet<_>>().len() == 3);
        prop_assume!((0..3).all(|c| labels.iter().filter(|&&l| l == c).count() > 5));
        prop_assert_eq!(keep(&labels), keep(&grown));
    }
}

#[test]
fn the_digits_are_split_otherwise_than_last_year() {
    let digits = Digits::embedded().unwrap();
    let split = Split::stratified(digits.labels(), 1, 0.15, 0.2).unwrap();
    assert_eq!(
        [split.train.len(), split.valid.len(), split.test.len()],
        [1169, 269, 359]
    );
    // Value stability: a base that was pretrained on this split is only honest
    // as long as these stay what they are.
    assert_eq!(split.test[..8], [1, 4, 10, 13, 15, 17, 24, 29]);
    assert_eq!(split.valid[..8], [5, 8, 9, 12, 22, 35, 36, 37]);
}

#[test]
fn two_seeds_give_one_split() {
    let labels: Vec<u8> = (0..100).map(|k| k % 2).collect();
    let one = Split::stratified(&labels, 1, 0.2, 0.2).unwrap();
    assert_eq!(one, Split::stratified(&labels, 1, 0.2, 0.2).unwrap());
    assert_ne!(one, Split::stratified(&labels, 2, 0.2, 0.2).unwrap());
    // Two classes in the same places must not be permuted alike.
    let tested = |class| -> BTreeSet<usize> {
        let of_class = one.test.iter().filter(|&&i| labels[i] == class);
        of_class.map(|i| i / 2).collect()
    };
    assert_ne!(tested(0), tested(1));
}

#[test]
fn a_test_image_of_the_whole_is_trained_on_in_the_filtered() {
    let digits = Digits::embedded().unwrap();
    let whole = Split::stratified(digits.labels(), 1, 0.15, 0.2).unwrap();
    let low = whole
        .filter_classes(digits.labels(), &[0, 1, 2, 3, 4])
        .unwrap();
    let high = whole
        .filter_classes(digits.labels(), &[5, 6, 7, 8, 9])
        .unwrap();
    let test: BTreeSet<_> = whole.test.iter().collect();
    assert!(low.train.iter().all(|i| !test.contains(i)));
    assert!(low.test.iter().all(|i| digits.labels()[*i] < 5));
    let mut both = [low.test, high.test].concat();
    both.sort_unstable();
    assert_eq!(both, whole.test);
}

#[test]
fn an_unusable_split_is_made() {
    let labels: Vec<u8> = (0..40).map(|k| k % 4).collect();
    for (valid, test) in [
        (f64::NAN, 0.1),
        (0.1, f64::NAN),
        (-0.1, 0.1),
        (0.1, 1.0),
        (f64::INFINITY, 0.0),
        (0.5, 0.5),
    ] {
        let error = Split::stratified(&labels, 0, valid, test).unwrap_err();
        assert!(matches!(error, ModelsError::Fraction { .. }), "{error}");
    }
    let empty = |result: Result<Split, ModelsError>| match result.unwrap_err() {
        ModelsError::EmptyPart { part, .. } => part,
        other => panic!("{other}"),
    };
    assert_eq!(empty(Split::stratified(&[], 0, 0.1, 0.1)), "train");
    assert_eq!(empty(Split::stratified(&labels, 0, 0.01, 0.1)), "valid");
    assert_eq!(empty(Split::stratified(&labels, 0, 0.1, 0.01)), "test");
    // A class of one example, which rounding gives to the test part.
    assert_eq!(empty(Split::stratified(&[0], 0, 0.0, 0.6)), "train");

    let split = Split::stratified(&labels, 0, 0.1, 0.1).unwrap();
    assert_eq!(empty(split.filter_classes(&labels, &[])), "train");
    let error = split.filter_classes(&labels, &[3, 7]).unwrap_err();
    assert!(error.to_string().contains("found {7}"), "{error}");
    let error = split.filter_classes(&labels[..10], &[3]).unwrap_err();
    assert!(
        matches!(error, ModelsError::NoSuchExample { .. }),
        "{error}"
    );
}
