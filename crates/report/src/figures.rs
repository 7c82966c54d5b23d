use std::collections::BTreeSet;

use crate::{
    Report, ReportRun,
    drift::drift,
    family::Family,
    figure::{Axis, Band, Figure, Line},
    tracks::{learning_rate, without_improvement},
};

/// The curves of a report's runs, those without any value left out.
pub(crate) fn run_figures(report: &Report, family: &Family) -> Vec<Figure> {
    let runs = &report.runs;
    let branches = family.parents.iter().any(Option::is_some);
    let shade = match runs.iter().any(|run| run.perturbation.is_some()) {
        true => " Shaded, in a run's colour: the epochs in which it was perturbed.",
        false => "",
    };
    let begin = match branches {
        true => " A branch begins at the last epoch that it shares with its parent.",
        false => "",
    };
    let curve = |metric: &'static str, id: &str, title: &str, what: &str| {
        let values = |run: usize| {
            let rows = runs[run].rows.iter();
            let values = rows.map(|row| Some((row.epoch, *row.metrics.get(metric)?)));
            values.collect()
        };
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: format!("{what}{begin}{shade}"),
            y_label: title.to_lowercase(),
            column: metric,
            axis: Axis::Linear,
            lines: lines(runs, family, &values),
            bands: bands(runs, family),
            marks: Vec::new(),
        }
    };
    let mut rho = curve(
        "rsa_rho",
        "rsa",
        "RSA",
        "Rank correlation (Spearman's rho) of the model's dissimilarities with the reference's.",
    );
    rho.y_label = "Spearman's rho".to_owned();
    let mut figures = vec![
        curve(
            "train_loss",
            "train-loss",
            "Training loss",
            "The mean over an epoch's steps.",
        ),
        curve(
            "valid_loss",
            "valid-loss",
            "Validation loss",
            "At the end of an epoch.",
        ),
        rho,
        drift(runs, family),
        stopping(runs, family, begin),
        rate(runs, family, begin),
    ];
    figures.retain(|figure| match figure.id.as_str() {
        // It speaks through its legend even where no value has a place on its axis.
        "drift" => !figure.lines.is_empty(),
        _ => figure.drawn().next().is_some(),
    });
    figures
}

fn stopping(runs: &[ReportRun], family: &Family, begin: &str) -> Figure {
    let tracks = without_improvement(runs, family);
    let values = |run: usize| tracks[run].iter().copied().map(Some).collect();
    let mut lines = lines(runs, family, &values);
    for (line, run) in lines.iter_mut().zip(&family.order) {
        let stopping = &runs[*run].stopping;
        line.ringed = stopping.triggered;
        let mut notes = vec![rule(&runs[*run])];
        let counted = tracks[*run].last().map(|(_, count)| *count);
        let recorded = stopping.epochs_without_improvement as f64;
        if counted.is_some_and(|counted| counted != recorded) {
            notes.push(format!("the run itself has counted {recorded}"));
        }
        line.note = notes.join("; ");
    }
    // A note that is everybody's is the caption's.
    let notes: BTreeSet<String> = lines.iter().map(|line| line.note.clone()).collect();
    let mut everybody = String::new();
    if notes.len() == 1 {
        everybody = format!(" The rule: {}.", lines[0].note);
        lines.iter_mut().for_each(|line| line.note.clear());
    }
    let enabled = runs.iter().filter(|run| run.stopping.enabled);
    let patience: BTreeSet<u64> = enabled.map(|run| run.stopping.patience).collect();
    let marks = patience.iter().take(4);
    Figure {
        id: "early-stopping".to_owned(),
        title: "Early stopping".to_owned(),
        caption: format!(
            "Epochs in a row without improvement, counted anew from the history. A ring marks the \
             end of a run that was stopped early.{everybody}{begin}"
        ),
        y_label: "epochs without improvement".to_owned(),
        column: "epochs_without_improvement",
        axis: Axis::Count,
        lines,
        bands: Vec::new(),
        marks: marks
            .map(|patience| (*patience as f64, format!("patience {patience}")))
            .collect(),
    }
}

/// The early-stopping rule in words.
fn rule(run: &ReportRun) -> String {
    let stopping = &run.stopping;
    let better = match stopping.larger_is_better {
        true => "larger",
        false => "smaller",
    };
    let end = match stopping.enabled {
        true => format!("patience {}", stopping.patience),
        false => "never stops".to_owned(),
    };
    format!(
        "{}, {better} is better, by more than {}, {end}",
        stopping.monitor, stopping.min_delta
    )
}

fn rate(runs: &[ReportRun], family: &Family, begin: &str) -> Figure {
    let tracks = learning_rate(runs, family);
    let values = |run: usize| tracks[run].iter().copied().map(Some).collect();
    Figure {
        id: "learning-rate".to_owned(),
        title: "Learning rate".to_owned(),
        caption: format!(
            "The learning rate times the schedule's factor in an epoch's last step.{begin}"
        ),
        y_label: "learning rate".to_owned(),
        column: "learning_rate",
        axis: Axis::Linear,
        lines: lines(runs, family, &values),
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

/// A line for every run, from the last row that it shares with its parent; `values` has an
/// element for every row of a run.
fn lines(
    runs: &[ReportRun],
    family: &Family,
    values: &dyn Fn(usize) -> Vec<Option<(u64, f64)>>,
) -> Vec<Line> {
    let line = |(series, run): (usize, &usize)| {
        let values = values(*run);
        let first = family.shared_rows(*run, runs).saturating_sub(1);
        let own = values.into_iter().skip(first).flatten();
        let points: Vec<(u64, f64)> = own.collect();
        let note = match points.is_empty() {
            true => "no value".to_owned(),
            false => String::new(),
        };
        Line {
            series,
            label: runs[*run].label.clone(),
            run_id: runs[*run].run_id.clone(),
            note,
            points,
            ringed: false,
        }
    };
    family.order.iter().enumerate().map(line).collect()
}

/// Where runs were perturbed, on an axis on which an epoch ends at its number.
fn bands(runs: &[ReportRun], family: &Family) -> Vec<Band> {
    let band = |(series, run): (usize, &usize)| {
        let shared = family.shared_rows(*run, runs);
        let run = &runs[*run];
        let (window, last) = (run.perturbation.as_ref()?, run.rows.last()?);
        let steps = last.step as f64 / last.epoch as f64;
        let first = window.first_step.saturating_sub(1);
        let start = match shared.checked_sub(1) {
            Some(row) => run.rows[row].epoch as f64,
            None => 0.0,
        };
        let from = (first as f64 / steps).max(start);
        let to = (first.saturating_add(window.steps) as f64 / steps).min(last.epoch as f64);
        (to > from).then_some(Band { series, from, to })
    };
    let bands = family.order.iter().enumerate();
    bands.filter_map(band).collect()
}
