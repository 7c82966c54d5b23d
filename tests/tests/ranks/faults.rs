use std::{
    collections::BTreeMap,
    error::Error,
    sync::atomic::{AtomicU64, Ordering},
};

use burn::tensor::Tensor;
use burn_flex::Flex;
use dacapo::{
    compute::Cpu,
    digits::DigitsTask,
    models::Vit,
    rng::RngHub,
    trainer::{
        CheckpointPolicy, Event, Identity, Observer, Outcome, Ranks, RunFolder, STREAMS,
        StepContext, StopReason, Task, TaskError, Trainer, TrainerError, TrainerSettings, follow,
        run,
    },
};
use dacapo_faults::FaultyDisk;
use dacapo_tests::{Settings, ThreadGroup};

pub fn two_shards() -> Settings {
    Settings::small().set("train.virtual_shards", 2)
}

/// What goes wrong on a rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Nothing,
    /// A loss that cannot be computed in the second step.
    Loss,
    /// A metric that the others do not get.
    Metric,
    /// Other examples.
    Data,
    /// A panic in the second step.
    Panic,
}

/// The digits, with a fault.
pub struct Faulty {
    digits: DigitsTask<Cpu, Vit<Cpu>>,
    fault: Fault,
    losses: AtomicU64,
}

impl Task<Cpu> for Faulty {
    type Model = Vit<Cpu>;

    fn train_len(&self) -> usize {
        self.digits.train_len()
    }

    fn fingerprint(&self) -> String {
        match self.fault {
            Fault::Data => "others".to_owned(),
            _ => self.digits.fingerprint(),
        }
    }

    fn loss(
        &self,
        model: &Vit<Cpu>,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<Cpu, 1>, TaskError> {
        // One shard a step on each of two ranks.
        let step = self.losses.fetch_add(1, Ordering::Relaxed) + 1;
        match (step, self.fault) {
            (2, Fault::Loss) => Err("image 7 is gone".into()),
            (2, Fault::Panic) => panic!("a rank dies"),
            _ => self.digits.loss(model, examples, context),
        }
    }

    fn evaluate(&self, model: &Vit<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let mut metrics = self.digits.evaluate(model)?;
        if self.fault == Fault::Metric {
            *metrics.get_mut("valid_loss").expect("one") += 1e-9;
        }
        Ok(metrics)
    }
}

/// A trainer of two shards on this rank, which has joined the others.
fn faulty(ranks: &Ranks, fault: Fault) -> Trainer<Cpu, Faulty> {
    try_faulty(ranks, fault).expect("alike")
}

pub fn try_faulty(ranks: &Ranks, fault: Fault) -> Result<Trainer<Cpu, Faulty>, TrainerError> {
    let mut trainer = alone(fault, Identity::default());
    trainer.join(ranks.clone(), &[], false)?;
    Ok(trainer)
}

/// A trainer of two shards that has joined nobody.
pub fn alone(fault: Fault, identity: Identity) -> Trainer<Cpu, Faulty> {
    let config = super::on_ranks::config(&two_shards());
    let mut rng = RngHub::new(1, STREAMS);
    let init = rng.stream("init").expect("registered");
    let model = Vit::init(&config.model.vit, init, &Default::default()).expect("a model");
    let task = Faulty {
        digits: DigitsTask::new(&config.data, Default::default()).expect("the digits"),
        fault,
        losses: AtomicU64::new(0),
    };
    let settings = TrainerSettings {
        trainable: vec!["*".to_owned()],
        virtual_shards: 2,
        ..TrainerSettings::new(3, 16)
    };
    let device = Default::default();
    Trainer::new(task, model, settings, identity, rng, device).expect("a trainer")
}

/// What each of two ranks ends with where the second has this fault.
fn ends(fault: Fault) -> Vec<Result<Outcome, TrainerError>> {
    let temp = tempfile::tempdir().expect("a folder");
    let ends = ThreadGroup::run(2, |ranks| match ranks.is_first() {
        true => {
            let mut trainer = faulty(&ranks, Fault::Nothing);
            let folder = RunFolder::new(temp.path());
            let policy = CheckpointPolicy {
                every_steps: 1,
                ..CheckpointPolicy::default()
            };
            run(&mut trainer, &folder, &policy, None, &mut ())
        }
        false => follow(&mut faulty(&ranks, fault), None, &mut ()),
    });
    // Whatever happened, what was committed is whole.
    RunFolder::new(temp.path())
        .load_latest()
        .expect("whole")
        .expect("committed before the first step");
    ends
}

#[test]
fn rank_goes_on_without_one_that_failed() {
    let ends = ends(Fault::Loss);
    let first = ends[0].as_ref().expect_err("the other one failed");
    let message = first.to_string();
    assert!(
        matches!(
            first,
            TrainerError::OtherRank {
                rank: 1,
                size: 2,
                ..
            }
        ),
        "{message}"
    );
    for part in ["rank 1 of 2", "step 2", "image 7 is gone"] {
        assert!(message.contains(part), "{message}");
    }
    let second = ends[1].as_ref().expect_err("it failed");
    assert!(
        matches!(second, TrainerError::Task { step: 2, .. }),
        "{second}"
    );
}

#[test]
fn rank_goes_on_where_the_first_cannot_write() {
    let calls = |disk: &FaultyDisk| {
        let mut trainer = faulty(&Ranks::alone(), Fault::Nothing);
        let folder = RunFolder::on("/run", disk);
        run(&mut trainer, &folder, &Default::default(), None, &mut ()).map(|_| ())
    };
    let whole = FaultyDisk::default();
    calls(&whole).expect("trains");
    // Full at the first write, in the middle, and at the last one.
    let calls = whole.calls().into_iter().enumerate();
    let writes = calls.filter(|(_, call)| call.starts_with("write_new"));
    let writes: Vec<usize> = writes.map(|(at, _)| at).collect();
    for at in [0, writes.len() / 2, writes.len() - 1].map(|write| writes[write]) {
        let disk = FaultyDisk::default();
        disk.inject(at, dacapo_faults::Fault::Full);
        let ends = ThreadGroup::run(2, |ranks| {
            let mut trainer = faulty(&ranks, Fault::Nothing);
            match ranks.is_first() {
                true => {
                    let folder = RunFolder::on("/run", &disk);
                    run(&mut trainer, &folder, &Default::default(), None, &mut ())
                }
                false => follow(&mut trainer, None, &mut ()),
            }
        });
        let first = ends[0].as_ref().expect_err("the disk is full");
        assert!(
            matches!(first, TrainerError::Record(_)),
            "call {at}: {first}"
        );
        let second = ends[1].as_ref().expect_err("the first one failed");
        assert!(
            matches!(second, TrainerError::OtherRank { rank: 0, .. }),
            "call {at}: {second}"
        );
        assert!(second.to_string().contains(&first.to_string()), "{second}");
    }
}

#[test]
fn ranks_that_came_apart_go_on() {
    for end in ends(Fault::Metric) {
        let error = end.expect_err("they differ");
        let message = error.to_string();
        assert!(
            matches!(error, TrainerError::RanksDiffer { .. }),
            "{message}"
        );
        for part in ["end of epoch 1", "(rank 0)", "(rank 1)", "valid_loss"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn rank_waits_for_one_that_died() {
    let died = std::panic::catch_unwind(|| {
        ThreadGroup::run(2, |ranks| {
            let second = !ranks.is_first();
            let fault = if second { Fault::Panic } else { Fault::Nothing };
            let end = follow(&mut faulty(&ranks, fault), None, &mut ());
            let error = end.expect_err("the other one is gone");
            assert!(
                matches!(&error, TrainerError::Communication { rank: 0, .. }),
                "{error}"
            );
            assert!(error.to_string().contains("gradients of step 2"), "{error}");
        })
    });
    // Of the second rank alone: the first one's assertions held.
    let panic = died.expect_err("the second rank's panic");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a rank dies"));
}

#[test]
fn only_the_rank_that_is_told_stops() {
    struct Stop(u64);
    impl Observer for Stop {
        fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
            if let Event::Step(report) = event {
                self.0 = report.step;
            }
            Ok(())
        }
        fn stop(&mut self) -> Option<StopReason> {
            (self.0 == 4).then_some(StopReason::Terminate)
        }
    }
    let temp = tempfile::tempdir().expect("a folder");
    let steps = ThreadGroup::run(2, |ranks| {
        let mut trainer = faulty(&ranks, Fault::Nothing);
        let outcome = match ranks.is_first() {
            true => {
                let folder = RunFolder::new(temp.path());
                run(&mut trainer, &folder, &Default::default(), None, &mut ())
            }
            false => follow(&mut trainer, None, &mut Stop(0)),
        };
        let outcome = outcome.expect("stops");
        assert_eq!(outcome, Outcome::Stopped(StopReason::Terminate));
        trainer.global_step()
    });
    assert_eq!(steps, [4, 4]);
    let latest = RunFolder::new(temp.path()).load_latest().expect("whole");
    assert_eq!(latest.expect("committed").run.global_step, 4);
}

#[test]
fn messages_of_different_places_are_mixed_up() {
    let errors = ThreadGroup::run(2, |ranks| {
        let what = if ranks.is_first() { "apples" } else { "pears" };
        let error = ranks
            .exchange(what, b"3".to_vec())
            .expect_err("not the same");
        // It is over: no further message, whatever is asked.
        ranks.fail(&error);
        let again = ranks.exchange(what, Vec::new()).expect_err("it is over");
        assert!(
            matches!(again, TrainerError::Communication { .. }),
            "{again}"
        );
        error.to_string()
    });
    assert!(
        errors[0].contains("sent its pears where its apples"),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].contains("sent its apples where its pears"),
        "{}",
        errors[1]
    );
}
