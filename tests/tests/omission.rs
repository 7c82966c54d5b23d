//! The omission matrix, first half: whatever part of the state a resumed run would lose,
//! another part ends up with other bits, or the loss is noticed and refused.
//!
//! Each test takes the state in the middle of a run, resets one part of it, and lets the
//! run go on to its end. `fail_closed.rs` is the second half: files that lack a part.

use std::{collections::BTreeSet, path::Path};

use burn_flex::Flex;
use dacapo::{
    CliError,
    compute::Cpu,
    config::{AdaptMode, Augment, ModelKind, RunConfig},
    digits::{DigitsModel, Session},
    job::Job,
    models::{ConvNet, Vit},
    optim::{AdamWConfig, MomentsRecord, ScheduleConfig},
    trainer::{
        CheckpointPolicy, Direction, Event, Info, Observer, Omission, Parent, PartialEpoch,
        RunFolder, StopReason, TrainerRecord, payload_tree,
    },
};
use dacapo_tests::adamw;

/// A run, the state in its middle, and what both its beginning and its end look like.
struct Run {
    config: RunConfig,
    start: TrainerRecord,
    middle: TrainerRecord,
    end: TrainerRecord,
}

impl Run {
    /// Trains `config`, three steps an epoch, and keeps the state after `steps` steps.
    fn new<M: DigitsModel<Cpu>>(mut config: RunConfig, steps: u64) -> Self {
        let mut session = Session::<Cpu, M>::start(&mut config, &Default::default())
            .expect("the settings are right");
        let start = record(&session);
        for _ in 0..steps {
            session.trainer.step().expect("a step succeeds");
        }
        let middle = record(&session);
        let end = finish(session);
        Self {
            config,
            start,
            middle,
            end,
        }
    }

    /// The paths whose leaves differ at the end when the run goes on from its middle
    /// after `edit`.
    fn changes<M: DigitsModel<Cpu>>(&self, edit: impl FnOnce(&mut TrainerRecord)) -> Changes {
        let session = self
            .resume::<M>(edit)
            .unwrap_or_else(|error| panic!("the edited state is refused: {error}"));
        let (tree, end) = (leaves(&self.end), leaves(&finish(session)));
        let diff = tree.diff(&end, TrainerRecord::INFORMATIONAL);
        let differing = diff.differing.into_iter().map(|leaf| leaf.path);
        Changes(
            differing
                .chain(diff.only_left)
                .chain(diff.only_right)
                .collect(),
        )
    }

    /// What resuming says after `edit`.
    fn refusal<M: DigitsModel<Cpu>>(&self, edit: impl FnOnce(&mut TrainerRecord)) -> String {
        match self.resume::<M>(edit) {
            Ok(_) => panic!("the edited state is accepted"),
            Err(error) => error.to_string(),
        }
    }

    fn resume<M: DigitsModel<Cpu>>(
        &self,
        edit: impl FnOnce(&mut TrainerRecord),
    ) -> Result<Session<Cpu, M>, CliError> {
        let mut record = self.middle.clone();
        edit(&mut record);
        // Accepting changes, so that only what can never be accepted is refused.
        Session::resume(&self.config, &Default::default(), record, true)
    }
}

/// Paths of differing leaves.
struct Changes(BTreeSet<String>);

impl Changes {
    #[track_caller]
    fn expect(&self, part: &str) -> &Self {
        let found = self.0.iter().any(|path| path.starts_with(part));
        assert!(found, "nothing differs in {part}, only in {:?}", self.0);
        self
    }
}

fn record<M: DigitsModel<Cpu>>(session: &Session<Cpu, M>) -> TrainerRecord {
    let record = session.trainer.to_record(Info::default());
    record.expect("the state can be taken")
}

fn finish<M: DigitsModel<Cpu>>(mut session: Session<Cpu, M>) -> TrainerRecord {
    while session.trainer.step().expect("a step succeeds").is_some() {}
    record(&session)
}

fn leaves(record: &TrainerRecord) -> dacapo::record::Tree {
    let payload = record.clone().to_payload::<Flex>();
    payload_tree(Path::new("record"), &payload.expect("it serialises"))
        .expect("what was written can be read")
}

/// Three steps an epoch and everything that draws, counts or averages switched on.
fn config() -> RunConfig {
    let mut config = RunConfig::default();
    config.model.base = "random".to_owned();
    config.model.vit.d_model = 16;
    config.model.vit.blocks = 1;
    config.model.vit.heads = 2;
    config.model.vit.d_mlp = 32;
    config.model.vit.dropout = 0.2;
    config.adapt.dropout = 0.1;
    config.data.limit = 40;
    config.data.valid_fraction = 0.03;
    config.data.test_fraction = 0.03;
    config.data.augment = Augment::Shift;
    config.train.batch_size = 16;
    config.train.epochs = 4;
    config.scheduler = ScheduleConfig::Cosine {
        total: None,
        min_factor: 0.1,
    };
    let adamw = AdamWConfig {
        lr: 1e-2,
        // The running maximum must rule over the running average to be seen.
        beta2: 0.5,
        amsgrad: true,
        ..AdamWConfig::default()
    };
    config.optimizer = adamw.into();
    config.early_stopping.monitor = "train_loss".to_owned();
    config
}

/// Stopped in the second of four epochs, after one of its three steps.
fn transformer() -> Run {
    Run::new::<Vit<Cpu>>(config(), 4)
}

/// Never improves after the first epoch, so that it stops after the third of four;
/// taken at the end of the second.
fn stopping_early() -> Run {
    let mut config = config();
    config.early_stopping.direction = Direction::Max;
    config.early_stopping.patience = 2;
    let run = Run::new::<Vit<Cpu>>(config, 6);
    assert_eq!(run.middle.early_stopping.epochs_without_improvement, 1);
    assert!(run.end.early_stopping.triggered, "the run stops early");
    assert_eq!(run.end.data.epoch, 3);
    run
}

fn moments(record: &mut TrainerRecord) -> impl Iterator<Item = &mut MomentsRecord> {
    adamw(record).params.values_mut()
}

/// Zeros of the same shape and dtype.
fn clear(data: &mut burn::tensor::TensorData) {
    data.bytes.iter_mut().for_each(|byte| *byte = 0);
}

#[test]
fn state_that_was_not_edited_changes_something() {
    assert_eq!(transformer().changes::<Vit<Cpu>>(|_| {}).0, BTreeSet::new());
    let run = stopping_early();
    assert_eq!(run.changes::<Vit<Cpu>>(|_| {}).0, BTreeSet::new());
}

#[test]
fn lost_adapters_go_unnoticed() {
    let run = transformer();
    let start = run.start.adapters.clone();
    run.changes::<Vit<Cpu>>(|record| record.adapters = start)
        .expect("optimizer.params")
        .expect("run.history");
}

#[test]
fn lost_running_statistics_go_unnoticed() {
    let mut config = config();
    config.model.kind = ModelKind::ConvNet;
    config.model.conv_net.channels = [4, 8];
    config.adapt.mode = AdaptMode::Full;
    let run = Run::new::<ConvNet<Cpu>>(config, 4);
    assert!(!run.middle.buffers.is_empty());
    let start = run.start.buffers.clone();
    run.changes::<ConvNet<Cpu>>(|record| record.buffers = start)
        .expect("run.history[1].metrics.valid_loss");
}

#[test]
fn lost_first_moments_go_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| moments(record).for_each(|one| clear(&mut one.exp_avg)))
        .expect("adapters");
}

#[test]
fn lost_second_moments_go_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| moments(record).for_each(|one| clear(&mut one.exp_avg_sq)))
        .expect("adapters");
}

#[test]
fn lost_maximum_of_second_moments_goes_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| {
            moments(record).for_each(|one| one.max_exp_avg_sq.iter_mut().for_each(clear))
        })
        .expect("adapters");
}

#[test]
fn lost_step_counters_of_the_optimizer_go_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| moments(record).for_each(|one| one.step = 0))
        .expect("adapters");
}

#[test]
fn lost_schedule_position_goes_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| record.scheduler.position = 0)
        .expect("adapters")
        .expect("run.history[1].lr_factor");
}

#[test]
fn lost_stream_position_goes_unnoticed() {
    let run = transformer();
    let drawn = run.middle.rng.streams["augment"].position;
    // Down and right for each of the 40 + 16 images; `below` may draw again.
    assert!(drawn >= 112, "{drawn}");
    run.changes::<Vit<Cpu>>(|record| {
        let stream = record.rng.streams.get_mut("augment");
        stream.expect("the stream exists").position = 0;
    })
    .expect("adapters");
}

#[test]
fn lost_position_in_the_epoch_goes_unnoticed() {
    let run = transformer();
    let refusal = run.refusal::<Vit<Cpu>>(|record| record.data.position = 0);
    assert!(
        refusal.contains("`run.partial_epoch.examples`"),
        "{refusal}"
    );
    run.changes::<Vit<Cpu>>(|record| {
        record.data.position = 0;
        record.run.partial_epoch = PartialEpoch::default();
    })
    .expect("adapters");
}

#[test]
fn lost_epoch_goes_unnoticed() {
    let run = transformer();
    let refusal = run.refusal::<Vit<Cpu>>(|record| record.data.epoch = 0);
    assert!(refusal.contains("`data.permutation_key`"), "{refusal}");
    let order = run.start.data.permutation_key.clone();
    let refusal = run.refusal::<Vit<Cpu>>(|record| {
        record.data.epoch = 0;
        record.data.permutation_key = order.clone();
    });
    assert!(refusal.contains("`run.history (rows)`"), "{refusal}");
    run.changes::<Vit<Cpu>>(|record| {
        record.data.epoch = 0;
        record.data.permutation_key = order;
        record.run.history.clear();
    })
    .expect("adapters");
}

#[test]
fn lost_step_count_goes_unnoticed() {
    // It keys the dropout masks.
    transformer()
        .changes::<Vit<Cpu>>(|record| record.run.global_step = 0)
        .expect("adapters");
}

#[test]
fn lost_loss_sum_of_the_epoch_goes_unnoticed() {
    transformer()
        .changes::<Vit<Cpu>>(|record| record.run.partial_epoch.loss_sum = 0.0)
        .expect("run.history[1].metrics.train_loss")
        .expect("early_stopping.best");
}

#[test]
fn lost_best_value_goes_unnoticed() {
    stopping_early()
        .changes::<Vit<Cpu>>(|record| {
            record.early_stopping.best = None;
            record.early_stopping.best_epoch = None;
            record.early_stopping.best_checkpoint = None;
        })
        .expect("run.global_step")
        .expect("adapters");
}

#[test]
fn lost_count_of_epochs_without_improvement_goes_unnoticed() {
    stopping_early()
        .changes::<Vit<Cpu>>(|record| record.early_stopping.epochs_without_improvement = 0)
        .expect("run.global_step")
        .expect("adapters");
}

#[test]
fn run_that_stopped_early_is_trained_on() {
    let mut run = stopping_early();
    run.middle = run.end.clone();
    assert!(run.changes::<Vit<Cpu>>(|_| {}).0.is_empty());
    run.changes::<Vit<Cpu>>(|record| record.early_stopping.triggered = false)
        .expect("run.global_step")
        .expect("adapters");
}

/// What nothing else is computed from, or what can be checked, is checked.
#[test]
fn altered_part_is_accepted() {
    let run = transformer();
    type Edit = fn(&mut TrainerRecord);
    let edits: &[(&str, Edit)] = &[
        ("rng.seed", |record| {
            let streams = &["init", "shuffle", "dropout", "perturbation", "augment"];
            record.rng = dacapo::rng::RngHub::new(7, streams).to_record();
        }),
        ("rng.streams.augment.key", |record| record.rng.seed = 7),
        ("rng.algorithm", |record| record.rng.algorithm.push('x')),
        ("data.fingerprint", |record| {
            record.data.fingerprint.clear();
        }),
        ("data.len", |record| record.data.len = 39),
        ("data.permutation_key", |record| {
            record.data.permutation_key.clear();
        }),
        ("data.position", |record| record.data.position = 40),
        ("run.history (rows)", |record| record.run.history.clear()),
        ("run.history[0].metrics.train_loss", |record| {
            record.run.history[0].metrics.remove("train_loss");
        }),
        ("run.history[0].metrics.other", |record| {
            let metrics = &mut record.run.history[0].metrics;
            metrics.insert("other".to_owned(), 0.5);
        }),
        ("run.run_id", |record| record.run.run_id.clear()),
        ("run.training_run", |record| record.run.training_run = 2),
        ("run.reset_optimizer", |record| {
            record.run.reset_optimizer = dacapo::trainer::ResetOptimizer::EveryEpoch;
        }),
        // The id follows from it.
        ("run.run_id", |record| {
            record.run.parent = Some(Parent {
                run_id: "0".to_owned(),
                step: 1,
            });
        }),
        ("run.perturbation", |record| {
            record.run.perturbation = Some("targets".to_owned());
        }),
        ("run.partial_epoch.examples", |record| {
            record.run.partial_epoch.examples = 0;
        }),
        ("early_stopping.config", |record| {
            record.early_stopping.config.patience += 1;
        }),
        ("early_stopping.best_epoch", |record| {
            record.early_stopping.best_epoch = None;
        }),
        ("early_stopping.best_checkpoint", |record| {
            record.early_stopping.best_checkpoint = None;
        }),
        ("scheduler.kind", |record| {
            record.scheduler.config = dacapo::optim::Schedule::Constant {};
        }),
        ("optimizer: `lr`", |record| adamw(record).config.lr = 1.0),
        ("identity.base_hash", |record| {
            record.identity.base_hash.clear();
        }),
        ("identity.config_hash", |record| {
            record.identity.config_hash.clear();
        }),
    ];
    for (path, edit) in edits {
        let refusal = run.refusal::<Vit<Cpu>>(edit);
        assert!(refusal.contains(path), "{path}: {refusal}");
    }
}

/// Hears nothing, stops nothing.
struct Deaf;

impl Observer for Deaf {
    fn event(&mut self, _: &Event) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }

    fn info(&mut self) -> Info {
        Info::default()
    }

    fn stop(&mut self) -> Option<StopReason> {
        None
    }
}

/// What an ablation moves is in no record: such a run must not be committed.
#[test]
fn ablated_run_is_saved_as_a_whole_one() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for omission in [Omission::Shuffle, Omission::Dropout] {
        let run = transformer();
        let mut session = run.resume::<Vit<Cpu>>(|_| {}).expect("its own state");
        let omitted = session.trainer.omit(omission, &run.start);
        omitted.expect("the start is its own");
        let policy = CheckpointPolicy::default();
        let root = RunFolder::new(folder.path().join("run"));
        let refused = dacapo::trainer::run(&mut session.trainer, &root, &policy, None, &mut Deaf);
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains("an ablation"), "{refused}");
        assert!(!root.root().exists(), "something was committed");
        // Back at a whole state, it is a run like any other.
        session
            .trainer
            .rewind(run.middle.clone())
            .expect("its own state");
        assert_eq!(leaves(&finish(session)), leaves(&run.end));
    }
}
