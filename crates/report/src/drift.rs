use crate::{
    ReportRun,
    family::Family,
    figure::{Axis, Figure, Line},
};

/// How far the validation loss of branches is from that of the run that all began with.
pub(crate) fn drift(runs: &[ReportRun], family: &Family) -> Figure {
    let branches = family.order.iter().enumerate();
    let branches = branches.filter(|(_, run)| family.parents[**run].is_some());
    let lines = branches.map(|(series, run)| line(runs, family, series, *run));
    Figure {
        id: "drift".to_owned(),
        title: "Drift".to_owned(),
        caption: "How far a branch's validation loss is from that of its root, the oldest run \
                  above it, in % of the root's: |branch - root| / |root|, for the epochs after \
                  it was branched off. A log axis has no place for 0: the legend says where a \
                  branch equals its root in every digit."
            .to_owned(),
        y_label: "drift of validation loss in %".to_owned(),
        column: "drift_percent",
        axis: Axis::Log,
        lines: lines.collect(),
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

fn line(runs: &[ReportRun], family: &Family, series: usize, run: usize) -> Line {
    const METRIC: &str = "valid_loss";
    let root = &runs[family.root(run)];
    let shared = family.shared_rows(run, runs);
    let own = &runs[run].rows[shared..];
    let mut points = Vec::new();
    for row in own {
        let beside = root.rows.iter().find(|other| other.epoch == row.epoch);
        let root = beside.and_then(|other| other.metrics.get(METRIC));
        if let (Some(ours), Some(root)) = (row.metrics.get(METRIC), root) {
            points.push((row.epoch, percent(*ours, *root)));
        }
    }
    let mut notes = vec![Line::left_out(&points)];
    let alone = own.len() - points.len();
    if alone > 0 {
        notes.push(format!("{alone} epochs without a value of {}", root.label));
    }
    notes.retain(|note| !note.is_empty());
    Line {
        series,
        label: runs[run].label.clone(),
        run_id: runs[run].run_id.clone(),
        note: notes.join(", "),
        points,
        ringed: false,
    }
}

/// The difference in % of `root`; equal values differ by 0, whatever they are.
fn percent(ours: f64, root: f64) -> f64 {
    match ours == root {
        true => 0.0,
        false => (ours - root).abs() / root.abs() * 100.0,
    }
}
