//! NumPy's, SciPy's and mpmath's values, from `golden/rsa.py`.

use dacapo_rsa::{Rdm, Spearman, spearman_p_value};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/rsa.json")).expect("valid JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn count(value: &Value) -> usize {
    value.as_u64().expect("a count") as usize
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

fn square(value: &Value) -> Rdm {
    let values = numbers(value);
    Rdm::from_dissimilarities(values.len().isqrt(), values).expect("a matrix")
}

/// Relative to `expected`, which may be zero.
#[track_caller]
fn assert_close(found: f64, expected: f64, context: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-12 * expected.abs(),
        "{context}: expected {expected:e}, found {found:e}"
    );
}

#[test]
fn dissimilarity_is_not_one_minus_pearson() {
    for case in list(&golden()["rdm"]) {
        let (rows, columns) = (count(&case["rows"]), count(&case["columns"]));
        let rdm = Rdm::from_predictions(&numbers(&case["predictions"]), rows, columns);
        let found = rdm.expect("good predictions").lower_triangle();
        let expected = numbers(&case["lower"]);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-12,
                "[{rows}, {columns}]: expected {expected}, found {found}"
            );
        }
    }
}

#[test]
fn ties_are_ranked_in_order_of_appearance() {
    for case in list(&golden()["spearman"]) {
        let name = case["name"].as_str().expect("a name");
        let found = Spearman::between(&square(&case["first"]), &square(&case["second"]));
        let found = found.expect("comparable");
        assert_close(found.rho, number(&case["rho"]), name);
        assert_close(found.p_value, number(&case["p"]), name);
    }
}

#[test]
fn small_p_value_is_right_in_absolute_terms_only() {
    let golden = golden();
    let cases = list(&golden["p"]);
    for case in cases {
        let (rho, pairs) = (number(&case["rho"]), count(&case["pairs"]));
        for signed in [rho, -rho] {
            let found = spearman_p_value(signed, pairs).expect("a correlation");
            let context = format!("rho {rho}, {pairs} pairs");
            assert_close(found, number(&case["scipy"]), &context);
            assert_close(found, number(&case["exact"]), &context);
        }
    }
    assert!(cases.iter().any(|case| number(&case["exact"]) < 1e-250));
}

#[test]
fn p_value_at_the_end_of_the_range_is_no_number() {
    for pairs in [3, 4, 1128, 1_000_000] {
        assert_eq!(spearman_p_value(1.0, pairs).expect("a correlation"), 0.0);
        assert_eq!(spearman_p_value(-1.0, pairs).expect("a correlation"), 0.0);
        assert_eq!(spearman_p_value(0.0, pairs).expect("a correlation"), 1.0);
    }
}

// What another machine must find, to the bit.
#[test]
fn bits_change_between_machines() {
    let golden = golden();
    let case = &golden["rdm"][2];
    let predictions = numbers(&case["predictions"]);
    let rdm = Rdm::from_predictions(&predictions, 48, 7).expect("good predictions");
    let bits = |values: &[f64]| {
        let mixed = values.iter().map(|value| value.to_bits());
        mixed.fold(0_u64, |sum, bits| sum.rotate_left(5) ^ bits)
    };
    let reference = square(&golden["spearman"][6]["first"]);
    let found = Spearman::between(&rdm, &reference).expect("comparable");
    let p_value = spearman_p_value(0.74, 1128).expect("a correlation");
    assert_eq!(
        [bits(rdm.values()), found.rho.to_bits(), p_value.to_bits()],
        [
            0x7017_d81a_3c6e_fc23,
            0xbf99_2a8c_445d_3bff,
            0x175b_8082_3e03_b887,
        ]
    );
}
