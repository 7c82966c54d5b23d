//! Predictions, matrices and comparisons that are refused, and in which words.

use dacapo_rsa::{Rdm, RsaError, Spearman, spearman_p_value};

#[track_caller]
fn assert_names<T: std::fmt::Debug>(result: Result<T, RsaError>, parts: &[&str]) {
    let text = result.expect_err("bad input").to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn prediction_without_a_correlation_is_not_named() {
    let good = [1.0, 2.0, 4.0, 5.0, 3.0, 1.0, 2.0, 2.0, 3.0];
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut bad = good;
        bad[5] = value;
        let found = format!("{value} in column 3");
        let parts = ["predictions", "row 2", "finite", &found, "Check the model"];
        assert_names(Rdm::from_predictions(&bad, 3, 3), &parts);
    }
    // Three times 0.1 has another mean than 0.1.
    let mut constant = good;
    constant[6..].fill(0.1);
    let parts = [
        "predictions",
        "row 3",
        "different numbers",
        "0.1 in all",
        "Leave this",
    ];
    assert_names(Rdm::from_predictions(&constant, 3, 3), &parts);
}

#[test]
fn shape_of_predictions_is_taken_on_trust() {
    let values = [1.0, 2.0, 4.0, 5.0, 3.0, 1.0];
    let few = [
        "predictions",
        "at least 3 objects",
        "found 2",
        "Give more objects",
    ];
    assert_names(Rdm::from_predictions(&values, 2, 3), &few);
    let shape = |found| ["predictions", "at least 2 columns", found, "Give the shape"];
    assert_names(
        Rdm::from_predictions(&values, 3, 3),
        &shape("6 values for [3, 3]"),
    );
    assert_names(
        Rdm::from_predictions(&values, 6, 1),
        &shape("6 values for [6, 1]"),
    );
    assert_names(
        Rdm::from_predictions(&[], 3, 0),
        &shape("0 values for [3, 0]"),
    );
    let overflow = Rdm::from_predictions(&values, usize::MAX, 3);
    assert_names(overflow, &shape("6 values for"));
}

#[test]
fn element_that_is_no_dissimilarity_is_not_named() {
    let good = [0.0, 1.0, 2.0, 1.0, 0.0, 3.0, 2.0, 3.0, 0.0];
    let with = |index: usize, value: f64| {
        let mut values = good.to_vec();
        values[index] = value;
        Rdm::from_dissimilarities(3, values)
    };
    assert_eq!(with(5, 3.0 + 1e-13).expect("rounding").values(), good);
    assert_eq!(with(4, -1e-16).expect("rounding").values(), good);
    let advice = "Give a symmetric matrix";
    let named = |element, expected| ["dissimilarities", element, expected, advice];
    assert_names(
        with(2, f64::NAN),
        &named("(1, 3)", "a finite number, found NaN"),
    );
    assert_names(
        with(7, f64::INFINITY),
        &named("(3, 2)", "a finite number, found inf"),
    );
    assert_names(with(4, 1.0), &named("(2, 2)", "0 on the diagonal, found 1"));
    let mirror = "3, as in element (2, 3), found 3.5";
    assert_names(with(7, 3.5), &named("(3, 2)", mirror));
    let short = Rdm::from_dissimilarities(3, vec![0.0; 8]);
    assert_names(
        short,
        &[
            "dissimilarities",
            "a size of 3",
            "8 values",
            "Give the whole",
        ],
    );
    let small = Rdm::from_dissimilarities(2, vec![0.0, 1.0, 1.0, 0.0]);
    assert_names(
        small,
        &[
            "dissimilarities",
            "at least 3 objects",
            "found 2",
            "Give more",
        ],
    );
}

#[test]
fn matrices_that_cannot_be_compared_give_a_number() {
    let three = Rdm::from_dissimilarities(3, vec![0.0, 1.0, 2.0, 1.0, 0.0, 3.0, 2.0, 3.0, 0.0]);
    let three = three.expect("a matrix");
    let equal = |size: usize| {
        let values = (0..size * size).map(|at| if at % (size + 1) == 0 { 0.0 } else { 0.5 });
        Rdm::from_dissimilarities(size, values.collect()).expect("a matrix")
    };
    let sizes = [
        "3 objects in the first",
        "4 in the second",
        "Select the same",
    ];
    assert_names(Spearman::between(&three, &equal(4)), &sizes);
    let constant = |which| ["different", "0.5 in all 3 places", which, "Check where"];
    let second = "of the second";
    assert_names(Spearman::between(&three, &equal(3)), &constant(second));
    assert_names(
        Spearman::between(&equal(3), &three),
        &constant("of the first"),
    );
}

#[test]
fn p_value_of_no_correlation_is_given() {
    let range = |found| ["between -1 and 1", found, "Give the rho"];
    assert_names(spearman_p_value(1.5, 10), &range("found 1.5"));
    assert_names(spearman_p_value(f64::NAN, 10), &range("found NaN"));
    assert_names(
        spearman_p_value(0.5, 2),
        &["at least 3 pairs", "found 2", "Give the rho"],
    );
}
