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
#[cfg(not(feature = "mpi"))]
use dacapo_tests::Finished;
use dacapo_tests::{Settings, ThreadGroup, sandbox};

use super::on_ranks::{go_on, set_up};

fn two_shards() -> Settings {
    Settings::small().set("train.virtual_shards", 2)
}

/// What goes wrong on a rank.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
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
struct Faulty {
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

fn try_faulty(ranks: &Ranks, fault: Fault) -> Result<Trainer<Cpu, Faulty>, TrainerError> {
    let mut trainer = alone(fault, Identity::default());
    trainer.join(ranks.clone(), &[], false)?;
    Ok(trainer)
}

/// A trainer of two shards that has joined nobody.
fn alone(fault: Fault, identity: Identity) -> Trainer<Cpu, Faulty> {
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
fn ranks_with_other_data_train_together() {
    let errors = ThreadGroup::run(2, |ranks| {
        let second = if ranks.is_first() {
            Fault::Nothing
        } else {
            Fault::Data
        };
        let error = try_faulty(&ranks, second).err().expect("they differ");
        error.to_string()
    });
    for message in errors {
        for part in ["`data.fingerprint`", "others (rank 1)"] {
            assert!(message.contains(part), "{message}");
        }
    }
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

/// What the ranks say that join with these settings, one each.
fn joined(settings: &[Settings], facts: &[&str], mixed: bool) -> Vec<Result<Identity, String>> {
    ThreadGroup::run(settings.len(), |ranks| {
        let rank = ranks.rank();
        let mut session = set_up(&settings[rank], None).expect("the run can be set up");
        let facts = [("program", facts[rank].to_owned())];
        let joined = session.trainer.join(ranks, &facts, mixed);
        let identity = session.trainer.identity().clone();
        joined.map(|()| identity).map_err(|error| error.to_string())
    })
}

#[test]
fn ranks_that_differ_train_together() {
    let same = two_shards();
    let cases = [
        (
            two_shards().set("optimizer.lr", 0.5),
            "identity.config_hash",
        ),
        (two_shards().set("train.epochs", 7), "train.epochs"),
        (two_shards().set("run.seed", 9), "identity.base_hash"),
        (two_shards().set("data.limit", 39), "identity.config_hash"),
    ];
    for (other, key) in cases {
        for said in joined(&[same.clone(), other], &["a", "a"], true) {
            let message = said.expect_err("they differ");
            for part in [key, "(rank 0)", "(rank 1)", "same program"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
    for said in joined(&[same.clone(), same.clone()], &["a", "b"], true) {
        let message = said.expect_err("they differ");
        assert!(message.contains("`program`"), "{message}");
    }
    let said = joined(&[same.clone(), same], &["a", "a"], false);
    assert!(said.iter().all(Result::is_ok), "{said:?}");
}

#[test]
fn rank_in_another_state_trains_with_the_rest() {
    let temp = tempfile::tempdir().expect("a folder");
    let record = super::on_ranks::train(&two_shards(), temp.path(), 1, Some(2));
    assert_eq!(record.losses.len(), 2);
    let record = RunFolder::new(temp.path()).load_latest().expect("whole");
    let messages = ThreadGroup::run(2, |ranks| {
        let record = record.clone().filter(|_| ranks.is_first());
        let mut session = set_up(&two_shards(), record).expect("the run can be set up");
        let error = go_on(&mut session, &ranks, temp.path(), None);
        error.expect_err("they differ").to_string()
    });
    for message in messages {
        assert!(message.contains("`state`"), "{message}");
    }
}

#[test]
fn mixed_devices_pass_unseen() {
    let join = |mixed: bool| {
        ThreadGroup::run(2, |ranks| {
            let device = if ranks.is_first() { "one" } else { "another" };
            let identity = Identity {
                device: device.to_owned(),
                ..Identity::default()
            };
            let mut trainer = alone(Fault::Nothing, identity);
            let joined = trainer.join(ranks, &[], mixed);
            joined
                .map(|()| trainer.identity().device.clone())
                .map_err(|error| error.to_string())
        })
    };
    for said in join(false) {
        let message = said.expect_err("they differ");
        for part in [
            "identity.device",
            "another (rank 1)",
            "--allow-mixed-devices",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    for said in join(true) {
        assert_eq!(said.expect("allowed"), "another + one");
    }
}

#[test]
fn ranks_without_a_shard_are_idle() {
    let ranks: Vec<Settings> = vec![two_shards(); 3];
    for said in joined(&ranks, &["a"; 3], false) {
        let message = said.expect_err("too many");
        for part in ["train.virtual_shards", "3 ranks"] {
            assert!(message.contains(part), "{message}");
        }
    }
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

#[test]
fn shards_of_different_sizes_are_accepted() {
    for (shards, batch) in [(0, 8), (3, 8), (16, 8)] {
        let settings = Settings::small()
            .set("train.virtual_shards", shards)
            .set("train.batch_size", batch);
        let message = set_up(&settings, None).err().expect("refused").to_string();
        assert!(message.contains("train.virtual_shards"), "{message}");
    }
}

#[test]
fn running_statistics_are_split() {
    let sandbox = sandbox!();
    let settings = Settings::small_conv_net().set("train.virtual_shards", 2);
    let said = sandbox.run(settings.train("run")).expect_code(2);
    for part in ["train.virtual_shards", "running statistics"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    assert!(!sandbox.path("run").exists());
}

/// The environment that a launcher gives, to a program that cannot speak with the others.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_that_cannot_speak_train_by_themselves() {
    let sandbox = sandbox!();
    let mut command = sandbox.command(Settings::small().train("run"));
    let said = Finished::of(command.env("OMPI_COMM_WORLD_SIZE", "4")).expect_code(2);
    for part in ["4 processes", "without the feature `mpi`", "--features mpi"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    assert!(!sandbox.path("run").exists());
}
