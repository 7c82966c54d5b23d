use std::path::{Path, PathBuf};

use dacapo_record::{FsStorage, commit};
use dacapo_report::{
    Ablation, OutputFile, Report, ReportAblation, ReportChange, ReportFork, ReportPerturbation,
    ReportRow, ReportRun, ReportStopping,
};
use dacapo_trainer::{Direction, RunFolder, TrainerRecord, payload_tree};
use serde_json::json;

use super::{
    args::ReportArgs,
    checkpoint_file::read_payload,
    lineage::{DEPTH, find, is_run},
    output::{print, print_json},
};
use crate::CliError;

/// The file of an ablation in a folder.
const ABLATION: &str = "ablation.json";

pub(crate) fn report(args: &ReportArgs) -> Result<i32, CliError> {
    // Before the runs are read, which may take a while.
    check_page(args)?;
    let report = collect(args)?;
    let page = dacapo_report::html(&report)?;
    let mut files = vec![(args.out.clone(), page.into_bytes())];
    if let Some(folder) = &args.csv {
        files.extend(within(folder, dacapo_report::csv(&report)?));
    }
    if let Some(folder) = &args.png {
        files.extend(within(folder, dacapo_report::png(&report)?));
    }
    // Everything is looked at before anything is written.
    for (file, _) in &files {
        check_free(file, args.force)?;
    }
    for folder in [&args.csv, &args.png].into_iter().flatten() {
        std::fs::create_dir_all(folder).map_err(|error| {
            CliError::input(
                format!("cannot make the folder {}: {error}", folder.display()),
                "Choose a folder that can be written to",
            )
        })?;
    }
    for (file, bytes) in &files {
        commit(&FsStorage, file, bytes)?;
    }
    let (runs, ablations) = (report.runs.len(), report.ablations.len());
    let written: Vec<&PathBuf> = files.iter().map(|(file, _)| file).collect();
    match args.json {
        true => print_json(&json!({
            "page": args.out,
            "files": written,
            "runs": runs,
            "ablations": ablations,
        }))?,
        false => {
            let others = match files.len() {
                1 => String::new(),
                count => format!(" and {} other files", count - 1),
            };
            print(&format!(
                "{}{others}: {runs} run(s), {ablations} ablation(s)\n",
                args.out.display()
            ))?;
        }
    }
    Ok(0)
}

fn check_page(args: &ReportArgs) -> Result<(), CliError> {
    check_free(&args.out, args.force)?;
    let folder = args.out.parent().filter(|folder| *folder != Path::new(""));
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(CliError::input(
            format!("there is no folder {}", folder.display()),
            "Make it, or choose another -o",
        )),
        None => Ok(()),
    }
}

/// Refuses a file that must not be replaced.
fn check_free(file: &Path, force: bool) -> Result<(), CliError> {
    if file.is_dir() {
        return Err(CliError::input(
            format!("{} is a folder; a file is to be written", file.display()),
            "Choose another place",
        ));
    }
    // A link that leads nowhere is there, too.
    if !force && file.symlink_metadata().is_ok() {
        return Err(CliError::input(
            format!("{} exists already", file.display()),
            "Choose another place, or replace it with --force",
        ));
    }
    Ok(())
}

fn within(folder: &Path, files: Vec<OutputFile>) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let place = move |file: OutputFile| (folder.join(&file.name), file.bytes);
    files.into_iter().map(place)
}

/// Reads all that the report is about.
fn collect(args: &ReportArgs) -> Result<Report, CliError> {
    let (mut folders, mut ablated) = (Vec::new(), Vec::new());
    for folder in &args.folders {
        let before = folders.len() + ablated.len();
        find(folder, DEPTH, &is_run, &mut folders)?;
        let is_ablation = |folder: &Path| folder.join(ABLATION).is_file();
        find(folder, DEPTH, &is_ablation, &mut ablated)?;
        if folders.len() + ablated.len() == before {
            return Err(CliError::input(
                format!("there is no run and no {ABLATION} in {}", folder.display()),
                "Give a run folder, or a folder that holds some",
            ));
        }
    }
    ablated.sort();
    ablated.dedup();
    let mut ablations = Vec::new();
    for folder in &ablated {
        ablations.push(ReportAblation {
            label: folder.display().to_string(),
            ablation: read_ablation(&folder.join(ABLATION))?,
        });
    }
    folders.sort();
    folders.dedup();
    let above = common(&folders);
    let mut runs = Vec::new();
    for folder in &folders {
        let label = folder.strip_prefix(&above).unwrap_or(folder);
        runs.extend(read_run(folder, &label.display().to_string())?);
    }
    Ok(Report {
        title: args.title.clone(),
        command: command(args),
        runs,
        ablations,
    })
}

fn read_ablation(file: &Path) -> Result<Ablation, CliError> {
    let text = std::fs::read(file).map_err(|error| {
        CliError::input(
            format!("cannot read {}: {error}", file.display()),
            "Check its permissions, or leave that folder out",
        )
    })?;
    Ok(Ablation::from_json(&file.display().to_string(), &text)?)
}

/// The folder above all of these, so that labels are no longer than they need to be.
fn common(folders: &[PathBuf]) -> PathBuf {
    let mut above = folders.iter().map(|folder| folder.parent());
    let first = above.next().flatten().unwrap_or(Path::new(""));
    let mut common = first.to_owned();
    for folder in above {
        let folder = folder.unwrap_or(Path::new(""));
        while !folder.starts_with(&common) && common.pop() {}
    }
    common
}

/// What makes the page again. Where it is written, and what else is, makes no difference to it.
fn command(args: &ReportArgs) -> String {
    let mut words = vec!["dacapo".to_owned(), "report".to_owned()];
    let folders = args.folders.iter();
    words.extend(folders.map(|folder| quoted(&folder.display().to_string())));
    if args.title != ReportArgs::TITLE {
        words.extend(["--title".to_owned(), quoted(&args.title)]);
    }
    words.join(" ")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The run's latest state; `None` if it has not begun.
fn read_run(folder: &Path, label: &str) -> Result<Option<ReportRun>, CliError> {
    let run = RunFolder::new(folder);
    let Some(name) = run.latest()? else {
        return Ok(None);
    };
    let path = run.checkpoint(&name)?;
    let payload = read_payload(&path)?;
    let state_hash = payload_tree(&path, &payload)?.state_hash(TrainerRecord::INFORMATIONAL);
    let record = TrainerRecord::from_payload(&path, &payload)?;
    let config: serde_json::Value = serde_json::from_str(&record.run.config).map_err(|error| {
        CliError::input(
            format!("{}: run.config is no JSON: {error}", path.display()),
            "Leave that run out, and report this",
        )
    })?;
    Ok(Some(to_run(label, state_hash, &record, &config)))
}

fn to_run(
    label: &str,
    state_hash: String,
    record: &TrainerRecord,
    config: &serde_json::Value,
) -> ReportRun {
    let (run, stopping) = (&record.run, &record.early_stopping);
    let window = |key: &str| config["perturbation"][key].as_u64();
    let perturbation = run.perturbation.as_ref().and_then(|text| {
        Some(ReportPerturbation {
            text: text.clone(),
            first_step: window("first_step")?,
            steps: window("steps")?,
        })
    });
    let scenario = match run.reset_optimizer.scenario() {
        "A" => "one continuous run (A)",
        _ => "a fresh optimizer every epoch (B)",
    };
    let identity = record.identity.parts().into_iter();
    let rows = run.history.iter().map(|row| ReportRow {
        epoch: row.epoch,
        step: row.step,
        lr_factor: row.lr_factor,
        metrics: row.metrics.clone(),
    });
    ReportRun {
        label: label.to_owned(),
        run_id: run.run_id.clone(),
        state_hash,
        step: run.global_step,
        epochs: record.data.epoch,
        scenario: scenario.to_owned(),
        learning_rate: record.optimizer.config().lr(),
        stopping: ReportStopping {
            enabled: stopping.config.enabled,
            monitor: stopping.config.monitor.clone(),
            larger_is_better: stopping.config.direction == Direction::Max,
            min_delta: stopping.config.min_delta,
            patience: stopping.config.patience,
            triggered: stopping.triggered,
            epochs_without_improvement: stopping.epochs_without_improvement,
            best: stopping.best,
            best_epoch: stopping.best_epoch,
        },
        perturbation,
        forks: forks(record),
        notes: notes(record),
        identity: identity
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        rows: rows.collect(),
    }
}

fn forks(record: &TrainerRecord) -> Vec<ReportFork> {
    let events = record.run.lineage.iter();
    let fork = |event: &dacapo_trainer::LineageEvent| {
        let source = event.forked.as_ref()?;
        let changes = source.changes.iter().map(|change| ReportChange {
            key: change.key.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
        });
        Some(ReportFork {
            run_id: source.run_id.clone(),
            step: event.step,
            state_hash: source.state_hash.clone(),
            changes: changes.collect(),
        })
    };
    events.filter_map(fork).collect()
}

/// What happened to a run beside its being branched off.
fn notes(record: &TrainerRecord) -> Vec<String> {
    let mut notes = Vec::new();
    for event in &record.run.lineage {
        let step = event.step;
        if let Some(source) = &event.imported {
            notes.push(format!(
                "imported from {} after its epoch {}, step {step}",
                source.format, source.epoch
            ));
        }
        for change in &event.identity_changes {
            notes.push(format!(
                "step {step}: identity.{} changed from {} to {}",
                change.key, change.recorded, change.current
            ));
        }
    }
    notes
}
