use std::collections::BTreeSet;

use crate::{
    Ablation,
    figure::{Axis, Figure, Line},
};

/// A plot for every resume point of an ablation, the `number`th (from 1) of a report.
pub(crate) fn ablation_figures(number: usize, ablation: &Ablation) -> Vec<Figure> {
    let points: BTreeSet<u64> = ablation.cases.iter().map(|case| case.resume_at).collect();
    let mut parts: Vec<&str> = Vec::new();
    for case in &ablation.cases {
        if !parts.contains(&case.left_out.as_str()) {
            parts.push(&case.left_out);
        }
    }
    let figure = |resume_at: u64| {
        let cases = ablation.cases.iter();
        let cases = cases.filter(|case| case.resume_at == resume_at);
        let lines = cases.map(|case| {
            let rows = case.rows.iter();
            let points: Vec<(u64, f64)> = rows
                .map(|row| (row.epoch, row.valid_difference_percent.abs()))
                .collect();
            Line {
                // The same look for the same part at every resume point.
                series: parts
                    .iter()
                    .position(|part| *part == case.left_out)
                    .unwrap_or_default(),
                label: case.left_out.clone(),
                run_id: String::new(),
                note: Line::left_out(&points),
                points,
                ringed: false,
            }
        });
        Figure {
            id: format!("ablation-{number}-resume-{resume_at}"),
            title: format!("Gone on with after epoch {resume_at}"),
            caption: "The validation loss's difference from the baseline's, in % of the \
                      baseline's; a line for every part of the state that was left out. A log \
                      axis has no place for 0: the legend says where nothing differs."
                .to_owned(),
            y_label: "difference of validation loss in %".to_owned(),
            column: "valid_difference_percent",
            axis: Axis::Log,
            lines: lines.collect(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    };
    points.into_iter().map(figure).collect()
}
