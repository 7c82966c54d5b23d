use crate::{
    Ablation, OutputFile, Report, ReportError, ReportRun, ablation_figures::ablation_figures,
    family::Family, figure::Figure, figures::run_figures, pixels,
};

/// Every plot's values, and the tables of runs and ablations, as CSV files.
///
/// A plot's file is called like its picture of [`png()`], and has a row for every value of every
/// line, those without a place on the plot's axis included. Numbers are written with the digits
/// that give the same number again; names as they are.
///
/// # Errors
/// A table that cannot be put together, which is a mistake in this crate.
pub fn csv(report: &Report) -> Result<Vec<OutputFile>, ReportError> {
    let mut files = Vec::new();
    if !report.runs.is_empty() {
        files.push(table("runs", runs(&report.runs))?);
        files.push(table("identity", identity(&report.runs))?);
    }
    for (number, item) in (1..).zip(&report.ablations) {
        let name = format!("ablation-{number}");
        files.push(table(&name, cases(&item.ablation))?);
    }
    for figure in figures(report) {
        files.push(table(&figure.id, values(&figure))?);
    }
    Ok(files)
}

/// Every plot with its legend as a PNG file, for print at 300 pixels an inch.
///
/// # Errors
/// A plot that cannot be drawn, which is a mistake in this crate.
pub fn png(report: &Report) -> Result<Vec<OutputFile>, ReportError> {
    let draw = |figure: Figure| {
        Ok(OutputFile {
            name: format!("{}.png", figure.id),
            bytes: pixels::png(&figure)?,
        })
    };
    figures(report).into_iter().map(draw).collect()
}

fn figures(report: &Report) -> Vec<Figure> {
    let mut figures = run_figures(report, &Family::new(&report.runs));
    for (number, item) in (1..).zip(&report.ablations) {
        figures.extend(ablation_figures(number, &item.ablation));
    }
    figures
}

type Rows = Vec<Vec<String>>;

fn table(name: &str, rows: Rows) -> Result<OutputFile, ReportError> {
    let name = format!("{name}.csv");
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let written = writer.write_record(row);
        written.map_err(|error| ReportError::output(&name, error))?;
    }
    let bytes = writer.into_inner();
    let bytes = bytes.map_err(|error| ReportError::output(&name, error))?;
    Ok(OutputFile { name, bytes })
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn values(figure: &Figure) -> Rows {
    let runs = figure.lines.iter().any(|line| !line.run_id.is_empty());
    let mut rows = vec![match runs {
        true => header(&["run", "run_id", "epoch", figure.column]),
        false => header(&["left_out", "epoch", figure.column]),
    }];
    for line in &figure.lines {
        for (epoch, value) in &line.points {
            let mut row = vec![line.label.clone()];
            if runs {
                row.push(line.run_id.clone());
            }
            row.extend([epoch.to_string(), value.to_string()]);
            rows.push(row);
        }
    }
    rows
}

fn runs(runs: &[ReportRun]) -> Rows {
    let mut rows = vec![header(&[
        "run",
        "run_id",
        "parent_run_id",
        "parent_step",
        "perturbation",
        "epochs",
        "steps",
        "monitor",
        "best",
        "best_epoch",
        "stopped_early",
        "state_hash",
    ])];
    for run in runs {
        let parent = run.forks.last();
        let stopping = &run.stopping;
        let text = |value: Option<String>| value.unwrap_or_default();
        rows.push(vec![
            run.label.clone(),
            run.run_id.clone(),
            text(parent.map(|parent| parent.run_id.clone())),
            text(parent.map(|parent| parent.step.to_string())),
            text(run.perturbation.as_ref().map(|window| window.text.clone())),
            run.epochs.to_string(),
            run.step.to_string(),
            stopping.monitor.clone(),
            text(stopping.best.map(|best| best.to_string())),
            text(stopping.best_epoch.map(|epoch| epoch.to_string())),
            stopping.triggered.to_string(),
            run.state_hash.clone(),
        ]);
    }
    rows
}

fn identity(runs: &[ReportRun]) -> Rows {
    let mut rows = vec![header(&["run", "run_id", "part", "value"])];
    for run in runs {
        for (name, value) in &run.identity {
            rows.push(vec![
                run.label.clone(),
                run.run_id.clone(),
                name.clone(),
                value.clone(),
            ]);
        }
    }
    rows
}

fn cases(ablation: &Ablation) -> Rows {
    let mut rows = vec![header(&[
        "resume_at",
        "left_out",
        "largest_valid_difference_percent",
        "last_valid_difference_percent",
        "last_train_difference_percent",
        "distance",
        "stopped_epoch",
        "baseline_stopped_epoch",
        "first_differing_step",
        "matters",
    ])];
    for case in &ablation.cases {
        let last = case.rows.last();
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let step = case.first_differing_step;
        rows.push(vec![
            case.resume_at.to_string(),
            case.left_out.clone(),
            text(case.largest_valid_difference()),
            text(last.map(|row| row.valid_difference_percent)),
            text(last.map(|row| row.train_difference_percent)),
            case.distance.to_string(),
            case.stopped_epoch.to_string(),
            ablation.baseline.stopped_epoch.to_string(),
            step.map_or_else(String::new, |step| step.to_string()),
            case.matters.to_string(),
        ]);
    }
    rows
}
