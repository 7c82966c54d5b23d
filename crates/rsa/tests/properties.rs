//! Properties of ranks, matrices and their comparison.

use dacapo_rsa::{Rdm, Spearman};
use proptest::prelude::*;

/// The whole matrix of a lower triangle.
fn square(size: usize, mut lower: impl FnMut(usize, usize) -> f64) -> Rdm {
    let mut values = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..i {
            values[i * size + j] = lower(i, j);
            values[j * size + i] = values[i * size + j];
        }
    }
    Rdm::from_dissimilarities(size, values).expect("a matrix")
}

/// Two matrices of small integers, with many ties.
fn two_matrices() -> impl Strategy<Value = (Rdm, Rdm)> {
    (3_usize..9).prop_flat_map(|size| {
        let one = || {
            let elements = prop::collection::vec(0_u8..9, size * size);
            let varied = elements
                .prop_map(move |elements| square(size, |i, j| f64::from(elements[i * size + j])));
            varied.prop_filter("constant", |rdm| {
                let lower = rdm.lower_triangle();
                lower.iter().any(|value| *value != lower[0])
            })
        };
        (one(), one())
    })
}

fn element(rdm: &Rdm, i: usize, j: usize) -> f64 {
    rdm.values()[i * rdm.size() + j]
}

proptest! {
    #[test]
    fn monotone_transform_changes_rho((first, second) in two_matrices()) {
        let expected = Spearman::between(&first, &second).expect("comparable");
        let cubes = square(first.size(), |i, j| element(&first, i, j).powi(3) - 7.0);
        let found = Spearman::between(&cubes, &second).expect("comparable");
        prop_assert_eq!(found, expected);
        let falling = square(first.size(), |i, j| 1.0 / (1.0 + element(&first, i, j)));
        let found = Spearman::between(&falling, &second).expect("comparable");
        prop_assert_eq!(found.rho, -expected.rho);
        prop_assert_eq!(found.p_value, expected.p_value);
    }

    #[test]
    fn comparison_depends_on_which_matrix_is_first((first, second) in two_matrices()) {
        let expected = Spearman::between(&first, &second).expect("comparable");
        prop_assert_eq!(Spearman::between(&second, &first).expect("comparable"), expected);
        prop_assert!((-1.0..=1.0).contains(&expected.rho));
        prop_assert!((0.0..=1.0).contains(&expected.p_value));
    }

    #[test]
    fn matrix_does_not_equal_itself((first, _) in two_matrices()) {
        let found = Spearman::between(&first, &first).expect("comparable");
        prop_assert_eq!((found.rho, found.p_value), (1.0, 0.0));
    }

    #[test]
    fn order_of_the_objects_changes_rho(
        ((first, second), order) in two_matrices().prop_flat_map(|two| {
            let order: Vec<usize> = (0..two.0.size()).collect();
            (Just(two), Just(order).prop_shuffle())
        }),
    ) {
        let reorder = |rdm: &Rdm| square(rdm.size(), |i, j| element(rdm, order[i], order[j]));
        let expected = Spearman::between(&first, &second).expect("comparable");
        let found = Spearman::between(&reorder(&first), &reorder(&second)).expect("comparable");
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn matrix_of_predictions_is_asymmetric_or_out_of_range(
        (rows, columns, predictions) in (3_usize..7, 2_usize..6).prop_flat_map(|(rows, columns)| {
            let value = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL;
            let row = prop::collection::vec(value, columns)
                .prop_filter("constant", |row| row.iter().any(|value| *value != row[0]));
            let all = prop::collection::vec(row, rows);
            (Just(rows), Just(columns), all.prop_map(|rows| rows.concat()))
        }),
    ) {
        let rdm = Rdm::from_predictions(&predictions, rows, columns).expect("good predictions");
        for i in 0..rows {
            prop_assert_eq!(element(&rdm, i, i), 0.0);
            for j in 0..i {
                prop_assert_eq!(element(&rdm, i, j).to_bits(), element(&rdm, j, i).to_bits());
                prop_assert!((0.0..=2.0).contains(&element(&rdm, i, j)));
            }
        }
        // Another unit, and the same bits.
        let scaled: Vec<f64> = predictions.iter().map(|value| value / 8.0 * 8.0).collect();
        if scaled == predictions {
            let eighths: Vec<f64> = predictions.iter().map(|value| value / 8.0).collect();
            let found = Rdm::from_predictions(&eighths, rows, columns).expect("good predictions");
            prop_assert_eq!(found, rdm);
        }
    }
}
