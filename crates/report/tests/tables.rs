//! The tables: what another program would read wrong.

mod common;

use common::{ablation, fork, report, run, table, values};
use dacapo_report::csv;

#[test]
fn name_or_number_does_not_come_back() {
    let label = "a, \"b\"\nc";
    let loss = 0.1 + 0.2;
    let report = report(vec![run(label, &[loss, 1e-300])]);
    let rows = table(&report, "valid-loss.csv");
    assert_eq!(rows[0][0], label);
    let read = |row: &[String]| row[3].parse::<f64>().expect("a number").to_bits();
    assert_eq!(read(&rows[0]), loss.to_bits());
    assert_eq!(read(&rows[1]), 1e-300f64.to_bits());
}

#[test]
fn plot_has_no_table() {
    let root = run("root", &[2.0, 1.0]);
    let child = fork("child", &root, 10, &[2.0, 1.5]);
    let mut report = report(vec![root, child]);
    report.ablations.push(ablation());
    let tables = csv(&report).expect("written");
    for picture in dacapo_report::png(&report).expect("drawn") {
        let name = picture.name.replace(".png", ".csv");
        assert!(tables.iter().any(|file| file.name == name), "{name}");
    }
}

#[test]
fn rsa_is_left_out() {
    let mut with = run("with", &[2.0, 1.0]);
    with.rows[1].metrics.insert("rsa_rho".to_owned(), 0.25);
    let without = run("without", &[2.0, 1.0]);
    let all = report(vec![with, without.clone()]);
    assert_eq!(values(&all, "rsa.csv", "with"), [(2, 0.25)]);
    let tables = csv(&report(vec![without])).expect("written");
    assert!(tables.iter().all(|file| file.name != "rsa.csv"));
}

#[test]
fn epochs_without_improvement_are_counted_by_another_rule() {
    let mut root = run("root", &[3.0, 3.0, 2.5, 2.75, 2.0]);
    root.stopping.min_delta = 0.25;
    // The first two epochs are the parent's, and so is the rule that counted them.
    let mut child = fork("child", &root, 20, &[3.0, 3.0, 2.0, 1.75, 1.5]);
    child.stopping.larger_is_better = true;
    let report = report(vec![root, child]);
    let counts = |label| {
        let values = values(&report, "early-stopping.csv", label);
        values
            .into_iter()
            .map(|(_, count)| count)
            .collect::<Vec<_>>()
    };
    assert_eq!(counts("root"), [0.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(counts("child"), [1.0, 2.0, 3.0, 4.0]);
    let page = dacapo_report::html(&report).expect("drawn");
    assert!(page.contains("the run itself has counted 0"), "hidden");
}

#[test]
fn learning_rate_of_a_branch_is_its_parents() {
    let root = run("root", &[3.0, 2.0, 1.0]);
    let mut child = fork("child", &root, 20, &[3.0, 2.0, 1.5]);
    child.learning_rate = 0.25;
    let report = report(vec![root, child]);
    let rates = values(&report, "learning-rate.csv", "child");
    assert_eq!(rates, [(2, 0.5), (3, 0.25)]);
}

#[test]
fn largest_difference_of_an_ablation_is_the_last_or_signed() {
    let mut report = report(Vec::new());
    report.ablations.push(ablation());
    let rows = table(&report, "ablation-1.csv");
    assert_eq!(rows[0][1..6], ["nothing", "0", "0", "0", "0"]);
    assert_eq!(rows[1][1..5], ["whole optimizer", "0.5", "-0.25", "-0.125"]);
    assert_eq!(rows[1][6..], ["4", "4", "21", "true"]);
    assert_eq!(rows[0][8], "");
    let drawn = table(&report, "ablation-1-resume-2.csv");
    assert_eq!(drawn[2], ["whole optimizer", "3", "0.5"]);
}
