//! Runs by hand.

#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::BTreeMap;

use dacapo_report::{
    Ablation, AblationBaseline, AblationBaselineRow, AblationCase, AblationRow, Report,
    ReportAblation, ReportChange, ReportFork, ReportRow, ReportRun, ReportStopping,
};

pub const STEPS: u64 = 10;

/// A run of epochs of ten steps with these validation losses.
pub fn run(label: &str, losses: &[f64]) -> ReportRun {
    let rows = (1..).zip(losses).map(|(epoch, loss)| {
        let metrics = [("train_loss", *loss + 0.5), ("valid_loss", *loss)];
        ReportRow {
            epoch,
            step: epoch * STEPS,
            lr_factor: 1.0,
            metrics: BTreeMap::from(metrics.map(|(name, value)| (name.to_owned(), value))),
        }
    });
    ReportRun {
        label: label.to_owned(),
        run_id: format!("id-{label}"),
        state_hash: format!("hash-{label}"),
        step: losses.len() as u64 * STEPS,
        epochs: losses.len() as u64,
        scenario: "one continuous run (A)".to_owned(),
        learning_rate: 0.5,
        stopping: ReportStopping {
            enabled: true,
            monitor: "valid_loss".to_owned(),
            larger_is_better: false,
            min_delta: 0.0,
            patience: 3,
            triggered: false,
            epochs_without_improvement: 0,
            best: losses.first().copied(),
            best_epoch: losses.first().map(|_| 1),
        },
        perturbation: None,
        forks: Vec::new(),
        notes: Vec::new(),
        identity: vec![("device".to_owned(), "cpu".to_owned())],
        rows: rows.collect(),
    }
}

/// A run that was branched off `parent` after so many steps.
pub fn fork(label: &str, parent: &ReportRun, step: u64, losses: &[f64]) -> ReportRun {
    let mut fork = run(label, losses);
    fork.forks.clone_from(&parent.forks);
    fork.forks.push(ReportFork {
        run_id: parent.run_id.clone(),
        step,
        state_hash: "0123456789abcdef0123456789abcdef".to_owned(),
        changes: vec![ReportChange {
            key: "optimizer.lr".to_owned(),
            from: "0.5".to_owned(),
            to: "0.25".to_owned(),
        }],
    });
    fork
}

pub fn report(runs: Vec<ReportRun>) -> Report {
    Report {
        title: "A title".to_owned(),
        command: "dacapo report runs".to_owned(),
        runs,
        ablations: Vec::new(),
    }
}

/// An ablation of four epochs, resumed after the second: nothing left out, and something.
pub fn ablation() -> ReportAblation {
    let case = |left_out: &str, difference: f64| AblationCase {
        resume_at: 2,
        left_out: left_out.to_owned(),
        matters: difference != 0.0,
        first_differing_step: (difference != 0.0).then_some(21),
        stopped_epoch: 4,
        distance: difference / 8.0,
        rows: [3, 4]
            .map(|epoch| AblationRow {
                epoch,
                train_loss: 1.0,
                valid_loss: 1.0,
                train_difference_percent: difference / 2.0,
                valid_difference_percent: difference * (5 - epoch) as f64,
                distance: difference,
            })
            .to_vec(),
    };
    ReportAblation {
        label: "ablation".to_owned(),
        ablation: Ablation {
            format: Ablation::FORMAT,
            command: "dacapo ablate runs".to_owned(),
            epochs: 4,
            steps_per_epoch: STEPS,
            baseline: AblationBaseline {
                run_id: "id".to_owned(),
                state_hash: "hash".to_owned(),
                stopped_epoch: 4,
                rows: vec![AblationBaselineRow {
                    epoch: 1,
                    train_loss: 1.0,
                    valid_loss: 1.0,
                }],
            },
            cases: vec![case("nothing", 0.0), case("whole optimizer", -0.25)],
        },
    }
}

/// The rows of a CSV file of a report, its header left out.
#[track_caller]
pub fn table(report: &Report, name: &str) -> Vec<Vec<String>> {
    let files = dacapo_report::csv(report).expect("written");
    let file = files.iter().find(|file| file.name == name);
    let file = file.unwrap_or_else(|| panic!("no {name}"));
    let mut reader = csv::Reader::from_reader(file.bytes.as_slice());
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

/// Epochs and values of a run in a plot's CSV file.
#[track_caller]
pub fn values(report: &Report, name: &str, label: &str) -> Vec<(u64, f64)> {
    let rows = table(report, name).into_iter();
    rows.filter(|row| row[0] == label)
        .map(|row| {
            let epoch = row[2].parse().expect("an epoch");
            (epoch, row[3].parse().expect("a number"))
        })
        .collect()
}
