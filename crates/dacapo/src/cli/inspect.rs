use std::{collections::BTreeMap, fmt::Write};

use dacapo_record::{Leaf, Tree};
use dacapo_trainer::{TrainerRecord, payload_tree};
use serde_json::{Value, json};

use super::{
    args::InspectArgs,
    checkpoint_file::{read_payload, resolve},
    output::{print, print_json},
};
use crate::CliError;

/// A part of the state, and what it is for.
const PARTS: &[(&str, &str)] = &[
    ("adapters", "every trainable tensor"),
    ("buffers", "running statistics and other non-trained state"),
    (
        "optimizer",
        "AdamW moments, step counters, hyper-parameters",
    ),
    ("scheduler", "position and settings of the schedule"),
    ("rng", "every named stream: key, position"),
    ("data", "fingerprint, epoch, position, permutation key"),
    (
        "early_stopping",
        "best value, counter, patience, best checkpoint",
    ),
    ("run", "epoch sums, step, lineage, history, configuration"),
    ("identity", "base hash, settings, versions, processor"),
    ("info", "times and places; never compared"),
];

struct Part {
    leaves: usize,
    tensors: usize,
    bytes: usize,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<i32, CliError> {
    let path = resolve(&args.file)?;
    let payload = read_payload(&path)?;
    let tree = payload_tree(&path, &payload)?;
    let record = TrainerRecord::from_payload(&path, &payload)?;
    let parts = parts(&tree);
    let hash = tree.state_hash(TrainerRecord::INFORMATIONAL);
    match args.json {
        true => print_json(&to_json(&path, &record, &parts, &hash))?,
        false => print(&to_text(&path, &record, &parts, &hash))?,
    }
    Ok(0)
}

fn parts(tree: &Tree) -> BTreeMap<&'static str, Part> {
    let mut parts = BTreeMap::new();
    for (name, _) in PARTS {
        let mut part = Part {
            leaves: 0,
            tensors: 0,
            bytes: 0,
        };
        for (path, leaf) in tree.below(name) {
            // An empty section is one leaf without content, at its own path.
            part.leaves += usize::from(path != *name);
            if let Leaf::Tensor { bytes, .. } = leaf {
                part.tensors += 1;
                part.bytes += bytes.len();
            }
        }
        parts.insert(*name, part);
    }
    parts
}

fn to_json(
    path: &std::path::Path,
    record: &TrainerRecord,
    parts: &BTreeMap<&str, Part>,
    hash: &str,
) -> Value {
    let parts: serde_json::Map<String, Value> = PARTS
        .iter()
        .map(|(name, what)| {
            let part = &parts[name];
            let value = json!({
                "present": true,
                "what": what,
                "leaves": part.leaves,
                "tensors": part.tensors,
                "tensor_bytes": part.bytes,
            });
            ((*name).to_owned(), value)
        })
        .collect();
    let run = &record.run;
    json!({
        "file": path,
        "state_hash": hash,
        "parts": parts,
        "run_id": run.run_id,
        "training_run": run.training_run,
        "step": run.global_step,
        "epochs_completed": record.data.epoch,
        "epochs": run.epochs,
        "position": record.data.position,
        "train_examples": record.data.len,
        "scenario": run.reset_optimizer.scenario(),
        "parent": run.parent,
        "perturbation": run.perturbation,
        "lineage": run.lineage,
        "early_stopping": record.early_stopping,
        "scheduler": record.scheduler,
        "rng": record.rng,
        "identity": record.identity,
        "history": run.history,
        "info": record.info,
    })
}

fn to_text(
    path: &std::path::Path,
    record: &TrainerRecord,
    parts: &BTreeMap<&str, Part>,
    hash: &str,
) -> String {
    let mut out = String::new();
    write_text(&mut out, path, record, parts, hash).expect("writing to a string cannot fail");
    out
}

fn write_text(
    out: &mut String,
    path: &std::path::Path,
    record: &TrainerRecord,
    parts: &BTreeMap<&str, Part>,
    hash: &str,
) -> std::fmt::Result {
    let run = &record.run;
    writeln!(out, "{}", path.display())?;
    writeln!(out, "  state hash  {hash}")?;
    writeln!(
        out,
        "  run         {} (training run {})",
        run.run_id, run.training_run
    )?;
    let next = match record.early_stopping.triggered {
        true => "ended by early stopping".to_owned(),
        false if record.data.epoch >= run.epochs => "all epochs done".to_owned(),
        false => format!(
            "goes on in epoch {} of {} after {} of {} examples",
            record.data.epoch + 1,
            run.epochs,
            record.data.position,
            record.data.len
        ),
    };
    writeln!(out, "  continues   after step {}: {next}", run.global_step)?;
    let scenario = match run.reset_optimizer.scenario() {
        "A" => "A: one continuous run",
        _ => "B: a fresh optimizer every epoch",
    };
    writeln!(out, "  scenario    {scenario}")?;
    let parent = match &run.parent {
        Some(parent) => format!("branched off run {} at step {}", parent.run_id, parent.step),
        None => "started on its own".to_owned(),
    };
    writeln!(out, "  lineage     {parent}")?;
    for event in &run.lineage {
        if let Some(source) = &event.imported {
            let (format, epoch) = (&source.format, source.epoch);
            writeln!(
                out,
                "              step {}: imported from epoch {epoch} of {format}",
                event.step
            )?;
            for line in &source.replaced {
                writeln!(out, "                replaced {line}")?;
            }
        }
        if let Some(source) = &event.forked {
            writeln!(
                out,
                "              step {}: branched off run {}, state {}",
                event.step, source.run_id, source.state_hash
            )?;
            for change in &source.changes {
                let (key, from, to) = (&change.key, &change.from, &change.to);
                writeln!(out, "                {key}: {from} -> {to}")?;
            }
        }
        for change in &event.identity_changes {
            writeln!(
                out,
                "              step {}: identity.{} changed from {} to {}",
                event.step, change.key, change.recorded, change.current
            )?;
        }
    }
    if let Some(perturbation) = &run.perturbation {
        writeln!(out, "  perturbed   {perturbation}")?;
    }
    let stopping = &record.early_stopping;
    if let (Some(best), Some(epoch)) = (stopping.best, stopping.best_epoch) {
        writeln!(
            out,
            "  best        {} {best} in epoch {epoch}; {} of {} epochs without improvement",
            stopping.config.monitor, stopping.epochs_without_improvement, stopping.config.patience
        )?;
    }
    writeln!(out, "  parts")?;
    for (name, what) in PARTS {
        let part = &parts[name];
        let size = match part.tensors {
            0 => format!("{} leaves", part.leaves),
            tensors => format!(
                "{} leaves, {tensors} tensors, {} bytes",
                part.leaves, part.bytes
            ),
        };
        writeln!(out, "    [x] {name:<15} {size:<40} {what}")?;
    }
    writeln!(out, "  identity")?;
    for (key, value) in record.identity.parts() {
        writeln!(out, "    {key:<15} {value}")?;
    }
    writeln!(out, "  streams")?;
    for (name, stream) in &record.rng.streams {
        writeln!(out, "    {name:<15} position {}", stream.position)?;
    }
    let info = &record.info;
    writeln!(
        out,
        "  written on {} after {:.1} s of training in {} session(s), {} thread(s)",
        info.host, info.wall_seconds, info.sessions, info.threads
    )
}
