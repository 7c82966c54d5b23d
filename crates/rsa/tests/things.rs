//! The behavioural data of THINGS, which is not part of this repository: the tests are
//! skipped where it is absent. They look for it in the folder `DACAPO_THINGS`, or else in
//! `shared/data/things` beside the checkout. Expected values: `golden/things.py`.

use std::{
    env,
    path::{Path, PathBuf},
};

use dacapo_rsa::{Rdm, Spearman, spearman_p_value};
use dacapo_things::Targets;
use serde_json::Value;

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/things");
    let folder = env::var_os("DACAPO_THINGS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}", folder.display());
    None
}

#[track_caller]
fn assert_close(found: f64, expected: f64, context: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-12 * expected.abs(),
        "{context}: expected {expected:e}, found {found:e}"
    );
}

#[test]
fn held_out_targets_correlate_with_behaviour_otherwise_than_in_scipy() {
    let Some(folder) = data() else { return };
    let file = folder.join("spose_embedding66d_rescaled_48val_reordered.csv");
    let targets = Targets::read_things_csv(file).expect("48 targets");
    let file = folder.join("RDM48_triplet.mat");
    let reference = Rdm::read_mat(&file, None).expect("one matrix");
    let named = Rdm::read_mat(&file, Some("RDM48_triplet")).expect("that matrix");
    assert_eq!(reference, named);

    let golden = include_str!("golden/things.json");
    let golden: Value = serde_json::from_str(golden).expect("valid JSON");
    for case in golden["cases"].as_array().expect("a list") {
        let dimensions = case["dimensions"].as_u64().expect("a count") as usize;
        let rows = targets.values().chunks_exact(Targets::DIMENSIONS);
        let values: Vec<f64> = rows.flat_map(|row| &row[..dimensions]).copied().collect();
        let rdm = Rdm::from_predictions(&values, targets.len(), dimensions).expect("targets");
        let found = Spearman::between(&rdm, &reference).expect("comparable");
        assert_eq!(found.pairs, 1128);
        println!(
            "{dimensions} dimensions: rho {}, p {:e}",
            found.rho, found.p_value
        );
        let context = format!("{dimensions} dimensions");
        assert_close(found.rho, case["rho"].as_f64().expect("rho"), &context);
        assert_close(found.p_value, case["p"].as_f64().expect("p"), &context);
    }
}

#[test]
fn published_p_value_does_not_follow_from_its_rho() {
    let Some(folder) = data() else { return };
    let mut smallest = 1.0_f64;
    let mut epochs = 0;
    for seed in 1..=3 {
        let file = folder.join(format!("published_baseline_seed{seed}.csv"));
        let mut reader = csv::Reader::from_path(file).expect("a CSV file");
        for (epoch, row) in (1..).zip(reader.records()) {
            let row = row.expect("a row");
            let field = |index: usize| row[index].parse::<f64>().expect("a number");
            let found = spearman_p_value(field(3), 1128).expect("a correlation");
            assert_close(found, field(4), &format!("seed {seed}, epoch {epoch}"));
            smallest = smallest.min(found);
            epochs += 1;
        }
    }
    println!("{epochs} epochs, p down to {smallest:e}");
    assert!(smallest < 1e-100);
}
