use std::path::{Path, PathBuf};

use dacapo_trainer::{RunFolder, TrainerRecord};
use serde_json::{Value, json};

use super::{
    args::LineageArgs,
    output::{print, print_json},
};
use crate::CliError;

/// A run that was found, in the state of its latest checkpoint.
struct Run {
    folder: PathBuf,
    record: TrainerRecord,
}

/// How deep below a folder runs are looked for.
pub(crate) const DEPTH: usize = 4;

pub(crate) fn lineage(args: &LineageArgs) -> Result<i32, CliError> {
    let mut folders = Vec::new();
    for folder in &args.folders {
        let before = folders.len();
        find(folder, DEPTH, &is_run, &mut folders)?;
        if folders.len() == before {
            return Err(CliError::input(
                format!("there is no run in {}", folder.display()),
                "Give a run folder, or a folder that holds some",
            ));
        }
    }
    folders.sort();
    folders.dedup();
    let mut runs = Vec::new();
    for folder in folders {
        if let Some(record) = RunFolder::new(&folder).load_latest()? {
            runs.push(Run { folder, record });
        }
    }
    match args.json {
        true => print_json(&Value::Array(runs.iter().map(to_json).collect()))?,
        false => print(&to_text(&runs))?,
    }
    Ok(0)
}

/// Whether this is a run folder.
pub(crate) fn is_run(folder: &Path) -> bool {
    folder.join("checkpoints").is_dir() && folder.join(RunFolder::LATEST).is_file()
}

/// Collects the folders like that in and below `folder`.
pub(crate) fn find(
    folder: &Path,
    depth: usize,
    is: &dyn Fn(&Path) -> bool,
    out: &mut Vec<PathBuf>,
) -> Result<(), CliError> {
    let refuse = |error: std::io::Error| {
        CliError::input(
            format!("cannot list {}: {error}", folder.display()),
            "Give a folder that can be read",
        )
    };
    if is(folder) {
        out.push(folder.to_owned());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        // Links are not followed: they could lead round in a circle.
        if entry.file_type().map_err(refuse)?.is_dir() && entry.file_name() != "checkpoints" {
            find(&entry.path(), depth - 1, is, out)?;
        }
    }
    Ok(())
}

fn to_json(run: &Run) -> Value {
    let (record, state) = (&run.record, &run.record.run);
    json!({
        "run": run.folder,
        "run_id": state.run_id,
        "parent": state.parent,
        "lineage": state.lineage,
        "perturbation": state.perturbation,
        "scenario": state.reset_optimizer.scenario(),
        "step": state.global_step,
        "epochs_completed": record.data.epoch,
        "sessions": record.info.sessions,
        "stopped_early": record.early_stopping.triggered,
        "monitor": record.early_stopping.config.monitor,
        "best_value": record.early_stopping.best,
        "best_epoch": record.early_stopping.best_epoch,
    })
}

/// Every run below the one that it was branched off.
fn to_text(runs: &[Run]) -> String {
    let parents: Vec<Option<usize>> = runs.iter().map(|run| parent(run, runs)).collect();
    let mut out = String::new();
    for root in (0..runs.len()).filter(|run| parents[*run].is_none()) {
        write(&mut out, root, runs, &parents, ["", ""]);
    }
    out
}

/// The run that `run` was branched off, if it is here.
fn parent(run: &Run, runs: &[Run]) -> Option<usize> {
    let parent = run.record.run.parent.as_ref()?;
    let forks = |run: &Run| {
        let events = run.record.run.lineage.iter();
        events.filter(|event| event.forked.is_some()).count()
    };
    // A parent has fewer: whatever the ids say, no circle comes about.
    let is_it = |other: &Run| other.record.run.run_id == parent.run_id && forks(other) < forks(run);
    let found = (0..runs.len()).filter(|other| is_it(&runs[*other]));
    // The same run in another precision or on another device has the same id.
    let same_machine = |other: &Run| {
        let changes = run.record.identity.changes(&other.record.identity);
        changes.iter().all(|change| change.key == "config_hash")
    };
    found.min_by_key(|other| !same_machine(&runs[*other]))
}

/// Writes a run after `indent[0]` and what belongs to it after `indent[1]`.
fn write(
    out: &mut String,
    index: usize,
    runs: &[Run],
    parents: &[Option<usize>],
    indent: [&str; 2],
) {
    let ([first, rest], run) = (indent, &runs[index]);
    let (record, state) = (&run.record, &run.record.run);
    let stopping = &record.early_stopping;
    let best = match (stopping.best, stopping.best_epoch) {
        (Some(best), Some(epoch)) => {
            format!(
                "; best {} {best:.6} in epoch {epoch}",
                stopping.config.monitor
            )
        }
        _ => String::new(),
    };
    let scenario = match state.reset_optimizer.scenario() {
        "A" => "one continuous run (A)",
        _ => "a fresh optimizer every epoch (B)",
    };
    let ended = match stopping.triggered {
        true => ", stopped early",
        false => "",
    };
    out.push_str(&format!(
        "{first}{}  run {}: {} epochs, step {}{ended}{best}; {scenario}\n",
        run.folder.display(),
        state.run_id,
        record.data.epoch,
        state.global_step,
    ));
    let mut children: Vec<usize> = (0..runs.len())
        .filter(|child| parents[*child] == Some(index))
        .collect();
    let step = |child: &usize| {
        runs[*child]
            .record
            .run
            .parent
            .as_ref()
            .map(|parent| parent.step)
    };
    children.sort_by_key(|child| (step(child), *child));
    let bar = if children.is_empty() { " " } else { "│" };
    for line in origin(record) {
        out.push_str(&format!("{rest}{bar}    {line}\n"));
    }
    for (at, child) in children.iter().enumerate() {
        let (first, below) = match at + 1 == children.len() {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        let (first, below) = (format!("{rest}{first}"), format!("{rest}{below}"));
        write(out, *child, runs, parents, [&first, &below]);
    }
}

/// Where a run comes from and what happened to it, a line each.
fn origin(record: &TrainerRecord) -> Vec<String> {
    let state = &record.run;
    let mut lines = Vec::new();
    let last_fork = state
        .lineage
        .iter()
        .rposition(|event| event.forked.is_some());
    for (index, event) in state.lineage.iter().enumerate() {
        let step = event.step;
        if let Some(source) = &event.imported {
            lines.push(format!(
                "imported from {} after its epoch {}, step {step}",
                source.format, source.epoch
            ));
        }
        if let Some(source) = &event.forked
            && Some(index) == last_fork
        {
            lines.push(format!(
                "branched off run {} after step {step}, state {}",
                source.run_id,
                &source.state_hash[..source.state_hash.len().min(16)]
            ));
            let changes = source.changes.iter();
            let mut changes = changes.filter(|change| !change.key.starts_with("perturbation"));
            if let Some(perturbation) = &state.perturbation {
                lines.push(format!("perturbed: {perturbation}"));
            } else if source.changes.is_empty() {
                lines.push("nothing changed".to_owned());
            }
            lines.extend(
                changes
                    .by_ref()
                    .map(|change| format!("{}: {} -> {}", change.key, change.from, change.to)),
            );
        }
        for change in &event.identity_changes {
            lines.push(format!(
                "step {step}: identity.{} changed from {} to {}",
                change.key, change.recorded, change.current
            ));
        }
    }
    lines
}
