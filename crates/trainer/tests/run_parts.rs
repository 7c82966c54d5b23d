//! A run from its parts: started, gone on with, branched off, by folders.

mod common;

use std::collections::BTreeMap;

use burn::{backend::Autodiff, module::Param, tensor::Tensor};
use burn_flex::{Flex, FlexDevice};
use common::{Line, mean_square};
use dacapo_optim::AdamWConfig;
use dacapo_rng::RngHub;
use dacapo_trainer::{
    CheckpointPolicy, EarlyStoppingConfig, Event, Info, Outcome, Parent, Perturbation,
    PerturbationKind, ResetOptimizer, RunFolder, RunParts, STREAMS, ScheduleUnit, SettingChange,
    StepContext, StopReason, Task, TaskError, Trainer, TrainerError, TrainerRecord,
    TrainerSettings, run,
};

type Cpu = Autodiff<Flex>;

struct Points;

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
        Ok(mean_square(model, examples))
    }

    fn evaluate(&self, model: &Line<Flex>) -> Result<BTreeMap<String, f64>, TaskError> {
        let loss = mean_square(model, &[1, 2, 3]).into_scalar();
        Ok(BTreeMap::from([("valid_loss".to_owned(), loss.into())]))
    }
}

fn settings() -> TrainerSettings {
    TrainerSettings {
        trainable: vec!["slope".to_owned()],
        optimizer: lr(0.05),
        ..TrainerSettings::new(4, 2)
    }
}

fn lr(lr: f64) -> dacapo_optim::OptimizerConfig {
    let config = AdamWConfig {
        lr,
        ..AdamWConfig::default()
    };
    config.into()
}

fn parts(settings: TrainerSettings) -> RunParts<Cpu, Points> {
    RunParts {
        task: Points,
        model: Line {
            slope: Param::from_tensor(Tensor::zeros([1, 1], &FlexDevice)),
        },
        identity: dacapo_trainer::Identity {
            config_hash: settings.shared_hash(),
            ..Default::default()
        },
        settings,
        rng: RngHub::new(3, STREAMS),
        device: FlexDevice,
    }
}

fn go_on(trainer: &mut Trainer<Cpu, Points>, folder: &RunFolder, stop: Option<u64>) -> Outcome {
    run(trainer, folder, &CheckpointPolicy::default(), stop, &mut ()).expect("runs")
}

fn hash(trainer: &Trainer<Cpu, Points>) -> String {
    let record = trainer.to_record(Info::default()).expect("a record");
    record.state_hash::<Flex>().expect("a hash")
}

#[test]
fn opened_run_starts_anew() {
    let temp = tempfile::tempdir().expect("a folder");
    let whole = RunFolder::new(temp.path().join("whole"));
    let mut straight = parts(settings()).open(&whole).expect("starts");
    assert_eq!(go_on(&mut straight, &whole, None), Outcome::Completed);
    assert_eq!(straight.global_step(), 20);

    for stop in [0, 1, 7, 10] {
        let path = temp.path().join(stop.to_string());
        let folder = RunFolder::new(&path);
        let mut first = parts(settings()).open(&folder).expect("starts");
        let stopped = Outcome::Stopped(StopReason::StepReached);
        assert_eq!(go_on(&mut first, &folder, Some(stop)), stopped);
        // Its lock goes with it.
        drop((first, folder));

        let folder = RunFolder::new(&path);
        let mut second = parts(settings()).open(&folder).expect("goes on");
        assert_eq!(second.global_step(), stop);
        go_on(&mut second, &folder, None);
        assert_eq!(hash(&second), hash(&straight));
        let tree = |folder: &RunFolder| {
            let name = folder.latest().expect("a pointer").expect("a checkpoint");
            folder.tree(&name).expect("a tree")
        };
        let diff = tree(&whole).diff(&tree(&folder), TrainerRecord::INFORMATIONAL);
        assert!(diff.is_equal() && diff.equal > 50, "{diff}");
    }
}

#[test]
fn opened_folder_is_not_locked() {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::new(temp.path());
    let _trainer = parts(settings()).open(&folder).expect("starts");
    let other = RunFolder::new(temp.path());
    assert!(parts(settings()).open(&other).is_err());
}

#[test]
fn run_goes_on_with_another_setting() {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::new(temp.path());
    let mut first = parts(settings()).open(&folder).expect("starts");
    go_on(&mut first, &folder, Some(3));
    let other = TrainerSettings {
        batch_size: 3,
        ..settings()
    };
    let error = parts(other).open(&folder).err().expect("refused");
    assert!(
        error.to_string().contains("identity.config_hash"),
        "{error}"
    );
    // A longer run is the same run.
    let longer = TrainerSettings {
        epochs: 5,
        ..settings()
    };
    let longer = parts(longer).open(&folder).expect("goes on");
    assert_eq!(longer.global_step(), 3);
}

#[test]
fn branch_is_no_run_of_its_own() {
    let temp = tempfile::tempdir().expect("a folder");
    let baseline = RunFolder::new(temp.path().join("baseline"));
    let mut straight = parts(settings()).open(&baseline).expect("starts");
    go_on(&mut straight, &baseline, None);
    let name = "epoch-0002-step-00000010";
    let slower = TrainerSettings {
        optimizer: lr(0.01),
        ..settings()
    };
    let change = SettingChange {
        key: "optimizer.lr".to_owned(),
        from: "0.05".to_owned(),
        to: "0.01".to_owned(),
    };

    let same = RunFolder::new(temp.path().join("same"));
    let mut twin = parts(settings())
        .branch(&baseline, name, &same, Vec::new())
        .expect("a branch");
    assert_eq!(same.latest().expect("a pointer").as_deref(), Some(name));
    go_on(&mut twin, &same, None);
    let adapters = |trainer: &Trainer<Cpu, Points>| {
        trainer
            .to_record(Info::default())
            .expect("a record")
            .adapters
    };
    assert_eq!(adapters(&twin), adapters(&straight));
    assert_ne!(twin.run_id(), straight.run_id());

    let path = temp.path().join("slower");
    let folder = RunFolder::new(&path);
    let changes = vec![change];
    let branch = parts(slower.clone())
        .branch(&baseline, name, &folder, changes.clone())
        .expect("a branch");
    let run_id = branch.run_id().to_owned();
    drop((branch, folder));
    // In another process.
    let folder = RunFolder::new(&path);
    let mut branch = parts(slower).open(&folder).expect("goes on");
    assert_eq!((branch.run_id(), branch.global_step()), (&*run_id, 10));
    go_on(&mut branch, &folder, None);
    assert_ne!(adapters(&branch), adapters(&straight));
    let record = folder.load_latest().expect("reads").expect("a record");
    let parent = record.run.parent.as_ref().expect("a parent");
    assert_eq!((&*parent.run_id, parent.step), (straight.run_id(), 10));
    let forked = record.run.lineage[0].forked.as_ref().expect("a branch");
    assert_eq!(forked.changes, changes);
    let pins = baseline.pins().expect("pins");
    assert!(pins.iter().any(|pin| pin.checkpoint == name), "{pins:?}");

    let again = parts(settings()).branch(&baseline, name, &folder, Vec::new());
    let Err(TrainerError::State { path, .. }) = again else {
        panic!("a run was overwritten");
    };
    assert_eq!(path, "latest");
}

#[test]
fn best_checkpoint_stays_with_the_parent() {
    let temp = tempfile::tempdir().expect("a folder");
    let baseline = RunFolder::new(temp.path().join("baseline"));
    // So fast that it is at its best after the first epoch.
    let fast = TrainerSettings {
        optimizer: lr(0.9),
        ..settings()
    };
    let mut parent = parts(fast.clone()).open(&baseline).expect("starts");
    go_on(&mut parent, &baseline, None);
    let (_, _, at) = baseline.checkpoints().expect("a list").pop().expect("one");
    let best = baseline.best().expect("a pointer").expect("a best one");
    assert_ne!(best, at, "the test needs a later checkpoint than the best");
    let folder = RunFolder::new(temp.path().join("branch"));
    let longer = TrainerSettings { epochs: 6, ..fast };
    let branch = parts(longer).branch(&baseline, &at, &folder, Vec::new());
    branch.expect("a branch");
    assert_eq!(folder.best().expect("a pointer"), Some(best.clone()));
    folder.load(&best).expect("the best one is there");
}

#[test]
fn setting_is_left_out_of_the_shared_hash() {
    let hash = settings().shared_hash();
    let free = TrainerSettings {
        epochs: 9,
        parent: Some(Parent {
            run_id: "a".to_owned(),
            step: 1,
        }),
        ..settings()
    };
    assert_eq!(free.shared_hash(), hash);
    type Change = fn(&mut TrainerSettings);
    let changes: [Change; 13] = [
        |settings| settings.training_run = 2,
        |settings| settings.batch_size = 3,
        |settings| settings.accumulation = 2,
        |settings| settings.shuffle = false,
        |settings| settings.drop_last = true,
        |settings| settings.reset_optimizer = ResetOptimizer::EveryEpoch,
        |settings| settings.trainable.push("other".to_owned()),
        |settings| settings.optimizer = lr(0.04),
        |settings| settings.schedule = dacapo_optim::Schedule::LinearWarmup { warmup: 1 },
        |settings| settings.schedule_unit = ScheduleUnit::Epoch,
        |settings| {
            settings.early_stopping = EarlyStoppingConfig {
                patience: 1,
                ..EarlyStoppingConfig::default()
            }
        },
        |settings| {
            settings.perturbation = Some(Perturbation {
                kind: PerturbationKind::DataOrder,
                first_step: 1,
                steps: 1,
                seed: 0,
                factor: None,
            })
        },
        |settings| settings.config = "dropout 0.1".to_owned(),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut changed = settings();
        change(&mut changed);
        assert_ne!(changed.shared_hash(), hash, "change {at}");
    }
}

#[test]
fn closure_misses_an_event() {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::new(temp.path());
    let mut trainer = parts(settings()).start().expect("starts");
    let (mut steps, mut epochs, mut files) = (0, 0, 0);
    let mut observer = |event: &Event| {
        match event {
            Event::Step(_) => steps += 1,
            Event::Epoch(_) => epochs += 1,
            _ => files += 1,
        }
        Ok(())
    };
    let policy = CheckpointPolicy::default();
    run(&mut trainer, &folder, &policy, None, &mut observer).expect("runs");
    assert_eq!((steps, epochs, files), (20, 4, 5));
}

#[test]
fn hash_of_settings_changed_between_versions() {
    // As it was before there were virtual shards: an author's runs from then can be resumed.
    let settings = TrainerSettings::new(4, 2);
    assert_eq!(
        settings.shared_hash(),
        "65414535bc4f620d23354e5cb82ed211f207ce1b916d524525cb94e2fc674ce8"
    );
    let sharded = TrainerSettings {
        virtual_shards: 2,
        ..settings.clone()
    };
    assert_ne!(sharded.shared_hash(), settings.shared_hash());
}
