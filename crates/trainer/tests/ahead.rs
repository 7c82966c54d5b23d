//! Steps that are queued before the one before them is finished.

mod common;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    error::Error,
    path::Path,
    rc::Rc,
};

use burn::{backend::Autodiff, module::Param, tensor::Tensor};
use burn_flex::{Flex, FlexDevice};
use common::{Line, mean_square};
use dacapo_optim::{AdamWConfig, OptimError, Schedule};
use dacapo_rng::RngHub;
use dacapo_trainer::{
    CheckpointPolicy, Event, Identity, Info, Observer, Outcome, ResetOptimizer, RunFolder,
    RunParts, STREAMS, StepContext, StepReport, StopReason, Task, TaskError, Trainer, TrainerError,
    TrainerSettings, run,
};

type Cpu = Autodiff<Flex>;

/// What happened, in order.
type Log = Rc<RefCell<Vec<String>>>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    /// The loss of this step is NaN.
    Loss(u64),
    /// The loss of this step is finite, its gradient is not.
    Gradient(u64),
    /// The loss of this step is NaN, and that of the next cannot be computed.
    LossAndNext(u64),
    /// The loss of this step cannot be computed.
    Task(u64),
}

/// Nine points, in five steps.
struct Points {
    log: Log,
    fault: Fault,
    steps: Cell<u64>,
}

impl Task<Cpu> for Points {
    type Model = Line<Cpu>;

    fn train_len(&self) -> usize {
        9
    }

    fn fingerprint(&self) -> String {
        "points".to_owned()
    }

    fn loss(
        &self,
        model: &Line<Cpu>,
        examples: &[usize],
        _: &mut StepContext<'_>,
    ) -> Result<Tensor<Cpu, 1>, TaskError> {
        let step = self.steps.get() + 1;
        self.steps.set(step);
        self.log.borrow_mut().push(format!("loss {step}"));
        let loss = mean_square(model, examples);
        match self.fault {
            Fault::Loss(at) | Fault::LossAndNext(at) if at == step => Ok(loss * f32::NAN),
            // The slope of a root at 0 is infinite, and 0 times that no number.
            Fault::Gradient(at) if at == step => {
                Ok(loss + (model.slope.val() * 0.0).sqrt().reshape([1]))
            }
            Fault::LossAndNext(at) if at + 1 == step => Err("no loss".into()),
            Fault::Task(at) if at == step => Err("no loss".into()),
            _ => Ok(loss),
        }
    }

    fn evaluate(&self, model: &Line<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let loss = mean_square(model, &[1, 2, 3]).into_scalar();
        Ok(BTreeMap::from([("valid_loss".to_owned(), loss.into())]))
    }
}

/// Logs steps and epochs; checkpoints come whenever they are on the disk.
#[derive(Default)]
struct Spy {
    log: Log,
    reports: Vec<StepReport>,
    asked: u64,
    /// The asking that is answered with a wish to stop, once.
    stop: Option<u64>,
    /// The step that cannot be noted.
    full: Option<u64>,
}

impl Observer for Spy {
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut log = self.log.borrow_mut();
        match event {
            Event::Step(report) => {
                log.push(format!("step {}", report.step));
                self.reports.push(report.clone());
                if self.full == Some(report.step) {
                    return Err("the disk is full".into());
                }
            }
            Event::Epoch(end) => log.push(format!("epoch {}", end.row.epoch)),
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self) -> Option<StopReason> {
        self.asked += 1;
        (self.stop == Some(self.asked)).then_some(StopReason::Interrupt)
    }
}

fn adamw(clip_norm: Option<f64>) -> dacapo_optim::OptimizerConfig {
    let config = AdamWConfig {
        lr: 0.05,
        clip_norm,
        ..AdamWConfig::default()
    };
    config.into()
}

/// Two epochs, ten steps.
fn settings() -> TrainerSettings {
    TrainerSettings {
        trainable: vec!["slope".to_owned()],
        optimizer: adamw(None),
        schedule: Schedule::LinearWarmup { warmup: 7 },
        ..TrainerSettings::new(2, 2)
    }
}

fn parts(settings: TrainerSettings, fault: Fault, log: &Log) -> RunParts<Cpu, Points> {
    RunParts {
        task: Points {
            log: log.clone(),
            fault,
            steps: Cell::new(0),
        },
        model: Line {
            slope: Param::from_tensor(Tensor::ones([1, 1], &FlexDevice)),
        },
        identity: Identity {
            config_hash: settings.shared_hash(),
            ..Default::default()
        },
        settings,
        rng: RngHub::new(3, STREAMS),
        device: FlexDevice,
    }
}

fn every(every_steps: u64) -> CheckpointPolicy {
    CheckpointPolicy {
        every_steps,
        ..CheckpointPolicy::default()
    }
}

/// A new run in `folder`.
fn start(
    folder: &Path,
    fault: Fault,
    settings: TrainerSettings,
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    spy: &mut Spy,
) -> (Trainer<Cpu, Points>, Result<Outcome, TrainerError>) {
    let folder = RunFolder::new(folder);
    let parts = parts(settings, fault, &spy.log);
    let mut trainer = parts.open(&folder).expect("starts");
    let outcome = run(&mut trainer, &folder, policy, stop_after, spy);
    (trainer, outcome)
}

/// What a run that nothing goes wrong in logs, and how it ends.
#[track_caller]
fn logged(
    policy: &CheckpointPolicy,
    stop_after: Option<u64>,
    stop: Option<u64>,
) -> (String, Outcome, u64) {
    let temp = tempfile::tempdir().expect("a folder");
    let mut spy = Spy {
        stop,
        ..Spy::default()
    };
    let (trainer, outcome) = start(
        temp.path(),
        Fault::Nothing,
        settings(),
        policy,
        stop_after,
        &mut spy,
    );
    let outcome = outcome.expect("runs");
    let newest = RunFolder::new(temp.path()).load_latest();
    let newest = newest.expect("reads").expect("a checkpoint");
    assert_eq!(newest.run.global_step, trainer.global_step());
    let log = spy.log.borrow().join(", ");
    (log, outcome, spy.asked)
}

const FIRST_EPOCH: &str = "loss 1, step 1, loss 2, loss 3, step 2, loss 4, step 3, loss 5, step 4, \
                           step 5, epoch 1";

#[test]
fn device_waits_within_an_epoch_or_runs_on_beyond_it() {
    let (log, outcome, asked) = logged(&CheckpointPolicy::default(), None, None);
    let second = "loss 6, loss 7, step 6, loss 8, step 7, loss 9, step 8, loss 10, step 9, \
                  step 10, epoch 2";
    assert_eq!(log, format!("{FIRST_EPOCH}, {second}"));
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(asked, 10, "once before every step");
}

#[test]
fn state_of_a_due_checkpoint_is_passed_by() {
    let (log, ..) = logged(&every(3), Some(9), None);
    let expected = "loss 1, step 1, loss 2, loss 3, step 2, step 3, loss 4, loss 5, step 4, \
                    step 5, epoch 1, loss 6, step 6, loss 7, loss 8, step 7, loss 9, step 8, step 9";
    assert_eq!(log, expected);
    let (log, ..) = logged(&every(1), Some(4), None);
    let expected = "loss 1, step 1, loss 2, step 2, loss 3, step 3, loss 4, step 4";
    assert_eq!(log, expected);
}

#[test]
fn run_goes_on_beyond_the_step_it_is_to_stop_after() {
    for stop_after in 1..=4 {
        let (log, outcome, _) = logged(&CheckpointPolicy::default(), Some(stop_after), None);
        let step = format!("step {stop_after}");
        assert!(log.ends_with(&step), "{log}");
        assert!(!log.contains(&format!("loss {}", stop_after + 1)), "{log}");
        assert_eq!(outcome, Outcome::Stopped(StopReason::StepReached));
    }
    let (log, ..) = logged(&CheckpointPolicy::default(), Some(5), None);
    assert_eq!(log, FIRST_EPOCH);
}

#[test]
fn wish_to_stop_is_passed_by_or_lost() {
    // Asked for the first time before the first step.
    for asking in 1..=10 {
        let (log, outcome, asked) = logged(&CheckpointPolicy::default(), None, Some(asking));
        let steps = asking - 1;
        assert_eq!(log.matches("step").count() as u64, steps, "{log}");
        assert_eq!(log.matches("loss").count() as u64, steps, "{log}");
        assert_eq!(outcome, Outcome::Stopped(StopReason::Interrupt));
        assert_eq!(asked, asking, "a wish was asked for again");
    }
}

/// The reports of a run by single steps.
fn stepwise(settings: TrainerSettings) -> (Vec<StepReport>, String) {
    let parts = parts(settings, Fault::Nothing, &Log::default());
    let mut trainer = parts.start().expect("starts");
    let mut reports = Vec::new();
    while let Some(report) = trainer.step().expect("a step") {
        reports.push(report);
    }
    (reports, hash(&trainer))
}

fn hash(trainer: &Trainer<Cpu, Points>) -> String {
    let record = trainer.to_record(Info::default()).expect("a record");
    record.state_hash::<Flex>().expect("a hash")
}

/// Plain, and with what else moves between steps.
fn variants() -> [TrainerSettings; 2] {
    let moving = TrainerSettings {
        reset_optimizer: ResetOptimizer::EveryEpoch,
        optimizer: adamw(Some(0.1)),
        ..settings()
    };
    [settings(), moving]
}

#[test]
fn report_is_of_the_step_after() {
    for settings in variants() {
        let (reports, hashed) = stepwise(settings.clone());
        assert_eq!(reports.len(), 10);
        for policy in [CheckpointPolicy::default(), every(2), every(3)] {
            let temp = tempfile::tempdir().expect("a folder");
            let mut spy = Spy::default();
            let settings = settings.clone();
            let (trainer, outcome) = start(
                temp.path(),
                Fault::Nothing,
                settings,
                &policy,
                None,
                &mut spy,
            );
            assert_eq!(outcome.expect("runs"), Outcome::Completed);
            assert_eq!(spy.reports, reports);
            assert_eq!(hash(&trainer), hashed);
        }
    }
}

#[test]
fn interrupted_run_ends_in_other_bits() {
    for settings in variants() {
        let (reports, hashed) = stepwise(settings.clone());
        for asking in 1..=10 {
            let temp = tempfile::tempdir().expect("a folder");
            let mut spy = Spy {
                stop: Some(asking),
                ..Spy::default()
            };
            let policy = CheckpointPolicy::default();
            let fault = Fault::Nothing;
            let (first, outcome) = start(
                temp.path(),
                fault,
                settings.clone(),
                &policy,
                None,
                &mut spy,
            );
            let stopped = Outcome::Stopped(StopReason::Interrupt);
            assert_eq!(outcome.expect("runs"), stopped);
            assert_eq!(first.global_step(), asking - 1);
            // Its lock goes with it.
            drop(first);
            let (second, outcome) = start(
                temp.path(),
                fault,
                settings.clone(),
                &policy,
                None,
                &mut spy,
            );
            assert_eq!(outcome.expect("runs"), Outcome::Completed);
            assert_eq!(spy.reports, reports, "stopped after {}", asking - 1);
            assert_eq!(hash(&second), hashed, "stopped after {}", asking - 1);
        }
    }
}

/// How a run with this fault ends that commits every second step: its error, its log, its newest
/// checkpoint, and what it left.
fn failed(
    fault: Fault,
    settings: TrainerSettings,
    full: Option<u64>,
) -> (TrainerError, String, u64, Trainer<Cpu, Points>) {
    let temp = tempfile::tempdir().expect("a folder");
    let mut spy = Spy {
        full,
        ..Spy::default()
    };
    let (trainer, outcome) = start(temp.path(), fault, settings, &every(2), None, &mut spy);
    let error = outcome.expect_err("fails");
    let newest = RunFolder::new(temp.path()).load_latest();
    let newest = newest.expect("reads").expect("a checkpoint");
    let log = spy.log.borrow().join(", ");
    (error, log, newest.run.global_step, trainer)
}

#[test]
fn loss_that_is_not_finite_is_blamed_on_a_later_step() {
    for fault in [Fault::Loss(3), Fault::LossAndNext(3)] {
        let (error, log, newest, _) = failed(fault, settings(), None);
        let TrainerError::NotFinite { step, what, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((*step, &**what), (3, "train_loss"));
        assert!(log.ends_with("step 2, loss 3, loss 4"), "{log}");
        assert_eq!(newest, 2);
    }
}

#[test]
fn gradient_that_is_not_finite_is_passed_over() {
    for (clip_norm, end) in [
        (None, "step 2, loss 3, loss 4"),
        // Refused before the parameters move: there is nothing to go on from.
        (Some(1.0), "step 2, loss 3"),
    ] {
        let settings = TrainerSettings {
            optimizer: adamw(clip_norm),
            ..settings()
        };
        let (error, log, newest, _) = failed(Fault::Gradient(3), settings, None);
        let TrainerError::Optimizer(OptimError::NonFiniteGradient { path, .. }) = &error else {
            panic!("{error}");
        };
        assert_eq!(path, "slope");
        assert!(log.ends_with(end), "{log}");
        assert_eq!(newest, 2);
    }
}

#[test]
fn step_before_a_failing_one_is_not_noted() {
    let (error, log, newest, _) = failed(Fault::Task(4), settings(), None);
    let TrainerError::Task { step, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*step, 4);
    assert!(log.ends_with("loss 3, loss 4, step 3"), "{log}");
    assert_eq!(newest, 2);
}

#[test]
fn trainer_with_an_unfinished_step_is_used() {
    for (fault, full) in [(Fault::Loss(3), None), (Fault::Nothing, Some(3))] {
        let (_, _, _, mut trainer) = failed(fault, settings(), full);
        let refusals = [
            trainer.to_record(Info::default()).err(),
            trainer.step().err(),
            {
                let temp = tempfile::tempdir().expect("a folder");
                let folder = RunFolder::new(temp.path());
                run(&mut trainer, &folder, &every(0), None, &mut ()).err()
            },
        ];
        for refusal in refusals {
            let refusal = refusal.expect("refused").to_string();
            assert!(refusal.contains("pending"), "{refusal}");
        }
    }
}

#[test]
#[should_panic(expected = "pending")]
fn snapshot_is_taken_of_an_unfinished_step() {
    let (_, _, _, trainer) = failed(Fault::Loss(3), settings(), None);
    trainer.snapshot(Info::default());
}
