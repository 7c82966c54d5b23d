//! The ridge regression beside a sentence run, against scikit-learn's `RidgeCV` (`golden/ridge.py`).

use dacapo::sentences::Ridge;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().expect("a list").iter();
    values.map(|x| x.as_f64().expect("a number")).collect()
}

#[test]
fn ridge_differs_from_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("golden/ridge.json")).expect("JSON");
    let alphas = numbers(&golden["alphas"]);
    let mut chosen = Vec::new();
    for case in golden["cases"].as_array().expect("a list") {
        let width = case["width"].as_u64().expect("a number") as usize;
        let (inputs, targets) = (numbers(&case["inputs"]), numbers(&case["targets"]));
        let ridge = Ridge::fit(&inputs, &targets, width, &alphas);
        assert_eq!(Some(ridge.alpha()), case["alpha"].as_f64());
        chosen.push(ridge.alpha());
        let found = ridge.predict(&numbers(&case["others"]));
        let expected = numbers(&case["predictions"]);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
    }
    chosen.dedup();
    assert!(chosen.len() > 1, "one penalty was best in every case");
}
