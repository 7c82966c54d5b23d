//! Runs of the program's own job on ranks that are threads.

use std::{collections::BTreeMap, path::Path};

use dacapo::{
    CliError,
    compute::Cpu,
    config::{RunConfig, load_config},
    digits::Session,
    job::Job,
    models::Vit,
    trainer::{
        CheckpointPolicy, Event, Info, Outcome, Ranks, RunFolder, TrainerError, TrainerRecord,
        follow, run,
    },
};
use dacapo_tests::{Settings, ThreadGroup};

/// A run of the small transformer on one rank.
pub type Run = Session<Cpu, Vit<Cpu>>;

/// What a rank has seen of a run.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub outcome: Outcome,
    /// Of every step, bits.
    pub losses: Vec<u64>,
    pub state: String,
}

pub fn config(settings: &Settings) -> RunConfig {
    load_config(RunConfig::default(), None, settings.keys()).expect("the settings are right")
}

/// The run from its start or from `record` on, not joined yet.
pub fn set_up(settings: &Settings, record: Option<TrainerRecord>) -> Result<Run, CliError> {
    let mut config = config(settings);
    let device = Default::default();
    let started = Run::start(&mut config, &device)?;
    match record {
        None => Ok(started),
        // With what `start` has resolved.
        Some(record) => Run::resume(&config, &device, record, false),
    }
}

/// Goes on with `session` as this rank does; the first writes into `folder` a checkpoint a step.
pub fn go_on(
    session: &mut Run,
    ranks: &Ranks,
    folder: &Path,
    stop_after: Option<u64>,
) -> Result<Seen, TrainerError> {
    let trainer = &mut session.trainer;
    trainer.join(ranks.clone(), &[], false)?;
    let mut losses = Vec::new();
    let mut observer = |event: &Event| {
        if let Event::Step(report) = event {
            losses.push(report.loss.to_bits());
        }
        Ok(())
    };
    let policy = CheckpointPolicy {
        every_steps: 1,
        keep_last: u64::MAX,
        ..CheckpointPolicy::default()
    };
    let outcome = match ranks.is_first() {
        true => run(
            trainer,
            &RunFolder::new(folder),
            &policy,
            stop_after,
            &mut observer,
        )?,
        false => follow(trainer, stop_after, &mut observer)?,
    };
    let record = trainer.to_record(Info::default())?;
    Ok(Seen {
        outcome,
        losses,
        state: record.state_hash::<burn_flex::Flex>()?,
    })
}

/// Goes on with the run in `folder`, or begins it, on `size` ranks, and gives what all of them saw.
#[track_caller]
pub fn train(settings: &Settings, folder: &Path, size: usize, stop_after: Option<u64>) -> Seen {
    let record = RunFolder::new(folder)
        .load_latest()
        .expect("a whole checkpoint");
    let mut seen = ThreadGroup::run(size, |ranks| {
        let mut session = set_up(settings, record.clone()).expect("the run can be set up");
        go_on(&mut session, &ranks, folder, stop_after).expect("trains")
    });
    let first = seen.remove(0);
    for (rank, other) in seen.iter().enumerate() {
        assert_eq!(*other, first, "rank {} saw something else", rank + 1);
    }
    first
}

/// The state hash of every checkpoint.
pub fn states(folder: &Path) -> BTreeMap<String, String> {
    let folder = RunFolder::new(folder);
    let names = folder.checkpoints().expect("the folder can be listed");
    let hash = |name: &str| {
        let tree = folder.tree(name).expect("a whole checkpoint");
        tree.state_hash(TrainerRecord::INFORMATIONAL)
    };
    names
        .iter()
        .map(|(.., name)| (name.clone(), hash(name)))
        .collect()
}
