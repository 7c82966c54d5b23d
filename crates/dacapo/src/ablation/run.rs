use std::{collections::BTreeMap, path::Path};

use burn::tensor::TensorData;
use dacapo_report::{Ablation, AblationBaseline, AblationBaselineRow, AblationCase, AblationRow};
use dacapo_trainer::{EpochRow, Info, Omission, Task, Trainer, TrainerRecord, payload_tree};

use crate::{CliError, compute::Compute};

/// Adapters by path.
type Adapters = BTreeMap<String, TensorData>;

/// What the baseline went through.
struct Course {
    start: TrainerRecord,
    /// The state at every resume point.
    resumed: BTreeMap<u64, TrainerRecord>,
    /// A hash of the adapters after every step.
    steps: Vec<blake3::Hash>,
    /// The adapters after every epoch.
    epochs: Vec<Adapters>,
    end: TrainerRecord,
}

/// Trains the run to its end, then again from the end of each epoch of `resume_at` for every
/// part of the state, without it. `progress` hears of every step, with what is being done.
///
/// The trainer must be at its start; afterwards it is of no use.
///
/// # Errors
/// A resume point outside of the run, a task without a `valid_loss`, and those of training.
pub fn ablate<B: Compute, T: Task<B>>(
    trainer: &mut Trainer<B, T>,
    resume_at: &[u64],
    command: &str,
    mut progress: impl FnMut(&str),
) -> Result<Ablation, CliError> {
    let course = baseline(trainer, resume_at, &mut progress)?;
    let history = &course.end.run.history;
    let mut cases = Vec::new();
    for (epoch, record) in &course.resumed {
        for omission in Omission::ALL {
            if !is_there(omission, &course) {
                continue;
            }
            let what = format!("epoch {epoch}, without {}", omission.name());
            trainer.rewind(record.clone())?;
            trainer.omit(omission, &course.start)?;
            cases.push(case(trainer, &course, *epoch, omission, || {
                progress(&what)
            })?);
        }
    }
    let settings = trainer.settings();
    let rows: Result<_, CliError> = history.iter().map(baseline_row).collect();
    Ok(Ablation {
        format: Ablation::FORMAT,
        command: command.to_owned(),
        epochs: settings.epochs,
        steps_per_epoch: settings.steps_per_epoch(trainer.task().train_len()),
        baseline: AblationBaseline {
            run_id: course.end.run.run_id.clone(),
            state_hash: course.end.clone().state_hash::<B::InnerBackend>()?,
            stopped_epoch: course.end.data.epoch,
            rows: rows?,
        },
        cases,
    })
}

fn baseline<B: Compute, T: Task<B>>(
    trainer: &mut Trainer<B, T>,
    resume_at: &[u64],
    progress: &mut impl FnMut(&str),
) -> Result<Course, CliError> {
    let start = trainer.to_record(Info::default())?;
    let (mut resumed, mut steps, mut epochs) = (BTreeMap::new(), Vec::new(), Vec::new());
    while let Some(report) = trainer.step()? {
        let adapters = trainer.adapters();
        steps.push(hash(&adapters));
        if report.epoch_end.is_some() {
            epochs.push(adapters);
            if resume_at.contains(&trainer.epoch()) {
                resumed.insert(trainer.epoch(), trainer.to_record(Info::default())?);
            }
        }
        progress("the whole run");
    }
    let end = trainer.to_record(Info::default())?;
    if let Some(epoch) = resume_at
        .iter()
        .find(|epoch| **epoch == 0 || **epoch >= end.data.epoch)
    {
        return Err(CliError::input(
            format!(
                "the run cannot be resumed at epoch {epoch}: it ends after epoch {}",
                end.data.epoch
            ),
            "Give --resume-at epochs before its end, more --epochs or more patience",
        ));
    }
    Ok(Course {
        start,
        resumed,
        steps,
        epochs,
        end,
    })
}

/// Whether this run has the part at all.
fn is_there(omission: Omission, course: &Course) -> bool {
    match omission {
        Omission::Magnitude => {
            let mut paths = course.start.adapters.keys();
            paths.any(|path| path.ends_with(".magnitude"))
        }
        Omission::Buffers => !course.start.buffers.is_empty(),
        Omission::Streams => course.start.rng != course.end.rng,
        _ => true,
    }
}

/// Trains to the end, beside the baseline.
fn case<B: Compute, T: Task<B>>(
    trainer: &mut Trainer<B, T>,
    course: &Course,
    resume_at: u64,
    omission: Omission,
    mut progress: impl FnMut(),
) -> Result<AblationCase, CliError> {
    let history = &course.end.run.history;
    let steps_per_epoch = course.steps.len() as u64 / course.end.data.epoch;
    // The trainer's own count may be what is left out.
    let mut step = resume_at * steps_per_epoch;
    let mut first_differing_step = None;
    let mut rows = Vec::new();
    while let Some(report) = trainer.step()? {
        step += 1;
        let adapters = trainer.adapters();
        let same = course.steps.get(step as usize - 1) == Some(&hash(&adapters));
        if !same && first_differing_step.is_none() {
            first_differing_step = Some(step);
        }
        let epoch = trainer.epoch() as usize;
        if let Some(end) = report.epoch_end
            && let (Some(row), Some(theirs)) =
                (history.get(epoch - 1), course.epochs.get(epoch - 1))
        {
            let (ours, base) = (baseline_row(&end.row)?, baseline_row(row)?);
            rows.push(AblationRow {
                epoch: epoch as u64,
                train_loss: ours.train_loss,
                valid_loss: ours.valid_loss,
                train_difference_percent: percent(ours.train_loss, base.train_loss),
                valid_difference_percent: percent(ours.valid_loss, base.valid_loss),
                distance: distance(&adapters, theirs),
            });
        }
        progress();
    }
    let end = trainer.to_record(Info::default())?;
    Ok(AblationCase {
        resume_at,
        left_out: omission.name().to_owned(),
        matters: matters::<B>(&end, &course.end, omission)?,
        first_differing_step,
        stopped_epoch: trainer.epoch(),
        distance: rows.last().map_or(0.0, |row| row.distance),
        rows,
    })
}

/// Whether anything but what was left out differs in the end.
fn matters<B: Compute>(
    ours: &TrainerRecord,
    theirs: &TrainerRecord,
    omission: Omission,
) -> Result<bool, CliError> {
    let tree = |record: &TrainerRecord| -> Result<_, CliError> {
        let payload = record.clone().to_payload::<B::InnerBackend>()?;
        Ok(payload_tree(Path::new("state"), &payload)?)
    };
    let mut ignored = TrainerRecord::INFORMATIONAL.to_vec();
    ignored.extend(omission.own_sections());
    Ok(!tree(ours)?.diff(&tree(theirs)?, &ignored).is_equal())
}

fn baseline_row(row: &EpochRow) -> Result<AblationBaselineRow, CliError> {
    let metric = |name: &str| {
        row.metrics.get(name).copied().ok_or_else(|| {
            CliError::input(
                format!("the task has no {name}, which an ablation compares"),
                "Let its evaluation report one",
            )
        })
    };
    Ok(AblationBaselineRow {
        epoch: row.epoch,
        train_loss: metric("train_loss")?,
        valid_loss: metric("valid_loss")?,
    })
}

/// How much `ours` is above `theirs`, in % of that; exactly 0 for equal bits.
fn percent(ours: f64, theirs: f64) -> f64 {
    match ours == theirs {
        true => 0.0,
        false => 100.0 * (ours - theirs) / theirs.abs(),
    }
}

fn distance(ours: &Adapters, theirs: &Adapters) -> f64 {
    let (mut apart, mut size) = (0.0, 0.0);
    for (path, theirs) in theirs {
        let Some(ours) = ours.get(path) else { continue };
        for (a, b) in ours.iter::<f64>().zip(theirs.iter::<f64>()) {
            apart += (a - b) * (a - b);
            size += b * b;
        }
    }
    match apart == 0.0 {
        true => 0.0,
        false => libm::sqrt(apart / size),
    }
}

fn hash(adapters: &Adapters) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for data in adapters.values() {
        hasher.update(data.as_bytes());
    }
    hasher.finalize()
}
