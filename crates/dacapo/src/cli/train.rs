use std::path::{Path, PathBuf};

use dacapo_trainer::{
    Info, Observer, Outcome, RunFolder, StopReason, Task, TrainerRecord, follow, run,
};
use serde_json::json;

use super::{
    args::{PretrainArgs, ResumeArgs, TrainArgs},
    exit_code::{INTERRUPTED, TERMINATED},
    host_memory::half_of_what_is_free,
    launch::Launch,
    observer::RunObserver,
    on_device::{OnDevice, on_device},
    on_job::{OnJob, on_job},
    output::{print, print_json},
    rank_observer::RankObserver,
    run_dir,
    stored::{stored, stored_on_all},
    summary::{Summary, announcement},
};
use crate::{
    CliError,
    clip_hba::no_base,
    compute::{Compute, DeviceName},
    config::{ModelKind, RunConfig, load_config},
    job::Job,
    prefix_keeping::PrefixKeeping,
};

/// How a session of training is to go.
struct Plan<'a> {
    launch: &'a Launch,
    /// Of the rank that writes; the others leave it alone.
    root: PathBuf,
    config: RunConfig,
    device: DeviceName,
    kernel_cache: bool,
    prefix: PrefixKeeping,
    /// What is gone on with; a new run if there is nothing.
    resume: Option<Resume>,
    stop_after: Option<u64>,
    json: bool,
    /// Where to save the best model as a base.
    save: Option<PathBuf>,
}

struct Resume {
    /// Of the rank that writes.
    folder: Option<RunFolder>,
    record: TrainerRecord,
    allow_identity_change: bool,
}

pub(crate) fn train(args: &TrainArgs) -> Result<i32, CliError> {
    new_run(args, RunConfig::default(), "digits", None)
}

pub(crate) fn pretrain(args: &PretrainArgs) -> Result<i32, CliError> {
    new_run(
        &args.train,
        RunConfig::pretrain(),
        "pretrain",
        Some(args.save.clone()),
    )
}

fn new_run(
    args: &TrainArgs,
    base: RunConfig,
    name: &str,
    save: Option<PathBuf>,
) -> Result<i32, CliError> {
    let launch = Launch::start(&args.ranks)?;
    let plan = || -> Result<Plan<'_>, CliError> {
        let mut set = args.set.clone();
        set.extend(args.seed.map(|seed| format!("run.seed={seed}")));
        set.extend(args.epochs.map(|epochs| format!("train.epochs={epochs}")));
        let config = load_config(base, args.config.as_deref(), &set)?;
        let root = match launch.ranks.is_first() {
            true => run_dir::choose(args.out.as_deref(), name)?,
            false => PathBuf::new(),
        };
        Ok(Plan {
            launch: &launch,
            root,
            config,
            device: args.device,
            kernel_cache: !args.no_kernel_cache,
            prefix: keeping(
                launch.local_size,
                !args.no_prefix_cache,
                args.prefix_folder.clone(),
            ),
            resume: None,
            stop_after: args.stop_after_step,
            json: args.json,
            save,
        })
    };
    let ended = plan().and_then(dispatch);
    ended.map_err(|error| launch.failed(error))
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<i32, CliError> {
    let launch = Launch::start(&args.ranks)?;
    let plan = || -> Result<Plan<'_>, CliError> {
        let (folder, mut config, record) = stored_on_all(&launch.ranks, &args.dir)?;
        if let Some(epochs) = args.epochs {
            config.train.epochs = epochs;
        }
        let recorded = match record.identity.device.as_str() {
            "cpu" => DeviceName::Cpu,
            _ if cfg!(feature = "cuda") => DeviceName::CudaLocal,
            // The check of the identity then says where the run computed.
            _ => DeviceName::Cpu,
        };
        Ok(Plan {
            launch: &launch,
            root: args.dir.clone(),
            config,
            device: args.device.unwrap_or(recorded),
            kernel_cache: !args.no_kernel_cache,
            prefix: keeping(
                launch.local_size,
                !args.no_prefix_cache,
                args.prefix_folder.clone(),
            ),
            resume: Some(Resume {
                folder,
                record,
                allow_identity_change: args.allow_identity_change,
            }),
            stop_after: args.stop_after_step,
            json: args.json,
            save: args.save.clone(),
        })
    };
    let ended = plan().and_then(dispatch);
    ended.map_err(|error| launch.failed(error))
}

fn dispatch(plan: Plan<'_>) -> Result<i32, CliError> {
    if let Some(path) = &plan.save {
        check_save(path, plan.config.model.kind)?;
    }
    let device = plan.device.of_rank(plan.launch.local_rank);
    on_device(device, plan.kernel_cache, plan)
}

impl OnDevice for Plan<'_> {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        on_job::<B, _>(self.config.model.kind, device, self)
    }
}

impl OnJob for Plan<'_> {
    type Out = i32;

    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<i32, CliError> {
        execute::<B, J>(self, device)
    }
}

fn execute<B: Compute, J: Job<B>>(mut plan: Plan<'_>, device: &B::Device) -> Result<i32, CliError> {
    let (folder, mut job, earlier) = match plan.resume.take() {
        None => {
            let job = J::start(&mut plan.config, device)?;
            (None, job, Info::default())
        }
        Some(Resume {
            folder,
            record,
            allow_identity_change,
        }) => {
            let earlier = record.info.clone();
            let job = J::resume(&plan.config, device, record, allow_identity_change)?;
            (folder, job, earlier)
        }
    };
    plan.launch.join(job.trainer_mut(), &plan.config)?;
    job.keep_prefix(&plan.prefix);
    let ranks = &plan.launch.ranks;
    let code = match ranks.is_first() {
        true => lead(&plan, folder, job, earlier)?,
        false => {
            let mut observer = RankObserver::listen()?;
            follow(job.trainer_mut(), plan.stop_after, &mut observer)?;
            plan.launch.reports()?;
            0
        }
    };
    // Nobody leaves before the first rank has judged the run and told of it.
    ranks.exchange("end of the program", Vec::new())?;
    Ok(code)
}

/// What the one process of a run does, or the first of several.
fn lead<B: Compute, J: Job<B>>(
    plan: &Plan<'_>,
    folder: Option<RunFolder>,
    mut job: J,
    earlier: Info,
) -> Result<i32, CliError> {
    let folder = match folder {
        Some(folder) => {
            run_dir::write_config(&plan.root, &plan.config)?;
            folder
        }
        None => {
            run_dir::create(&plan.root, &plan.config)?;
            run_dir::open(&plan.root)?
        }
    };
    let trainer = job.trainer();
    let mut observer = RunObserver::open(&plan.root, trainer, earlier)?;
    let per_epoch = trainer
        .settings()
        .steps_per_epoch(trainer.task().train_len());
    let first_step = trainer.global_step();
    let already_finished = trainer.is_finished();
    let started = json!({
        "event": if first_step == 0 { "start" } else { "resume" },
        "run_id": trainer.run_id(),
        "step": first_step,
        "dacapo": env!("CARGO_PKG_VERSION"),
    });
    observer.note(&started)?;
    if !plan.json {
        print(&announcement(&plan.root, &job, &plan.config))?;
    }
    let trainer = job.trainer_mut();
    observer.show_bar(
        first_step,
        plan.config.train.epochs.saturating_mul(per_epoch),
    );
    let outcome = run(
        trainer,
        &folder,
        &plan.config.checkpoint,
        plan.stop_after,
        &mut observer,
    );
    observer.finish();
    let outcome = outcome?;
    let ranks = plan.launch.reports()?;
    let ended =
        json!({ "event": "end", "outcome": format!("{outcome:?}"), "step": trainer.global_step() });
    observer.note(&ended)?;

    let best = match (outcome, folder.best()?) {
        (Outcome::Completed | Outcome::StoppedEarly, Some(name)) => Some(folder.load(&name)?),
        _ => None,
    };
    if let (Some(path), Some(best)) = (&plan.save, &best) {
        let epoch = job.trainer().early_stopping().best_epoch.unwrap_or(0);
        let seed = plan.config.run.seed;
        let provenance = format!("dacapo pretrain, seed {seed}, best epoch {epoch}");
        job.base(&plan.config, best, provenance)?.write(path)?;
    }
    let verdict = match &best {
        Some(best) => Some(job.verdict(&plan.config, best)?),
        None => None,
    };
    let trainer = job.trainer();
    let summary = Summary::<B, J> {
        root: &plan.root,
        outcome,
        already_finished,
        steps_here: trainer.global_step() - first_step,
        seconds: observer.seconds(),
        verdict,
        state_hash: trainer
            .to_record(observer.info())?
            .state_hash::<B::InnerBackend>()?,
        saved: plan.save.as_deref().filter(|_| best.is_some()),
        prefix: job.prefix_place(),
        ranks: &ranks,
        trainer,
        config: &plan.config,
    };
    match plan.json {
        true => print_json(&summary.json())?,
        false => print(&summary.text())?,
    }
    Ok(match outcome {
        Outcome::Stopped(StopReason::Interrupt) => INTERRUPTED,
        Outcome::Stopped(StopReason::Terminate) => TERMINATED,
        _ => 0,
    })
}

/// Goes on with the run in this folder to its end, unless it has ended, without a word: for
/// programs that train several.
pub(super) fn go_on<B: Compute, J: Job<B>>(
    root: &Path,
    device: &B::Device,
    prefix: &PrefixKeeping,
) -> Result<(), CliError> {
    let folder = run_dir::open(root)?;
    let (config, record) = stored(&folder)?;
    if record.early_stopping.triggered || record.data.epoch >= config.train.epochs {
        return Ok(());
    }
    let earlier = record.info.clone();
    let job = J::resume(&config, device, record, false)?;
    finish(job, &folder, &config, earlier, prefix)
}

/// Trains `job`, whose run is in this folder, to its end or a signal, without a word.
pub(super) fn finish<B: Compute, J: Job<B>>(
    mut job: J,
    folder: &RunFolder,
    config: &RunConfig,
    earlier: Info,
    prefix: &PrefixKeeping,
) -> Result<(), CliError> {
    job.keep_prefix(prefix);
    let trainer = job.trainer_mut();
    let mut observer = RunObserver::open(folder.root(), trainer, earlier)?;
    run(trainer, folder, &config.checkpoint, None, &mut observer)?;
    Ok(())
}

/// As the command line says; what is free of the host's memory is for all of its ranks.
pub(super) fn keeping(local_size: usize, keep: bool, folder: Option<PathBuf>) -> PrefixKeeping {
    PrefixKeeping {
        keep,
        host: half_of_what_is_free() / local_size as u64,
        folder,
    }
}

/// Refuses now what could not be written when the run ends.
fn check_save(path: &Path, kind: ModelKind) -> Result<(), CliError> {
    if matches!(kind, ModelKind::Clip | ModelKind::Bert) {
        return Err(no_base());
    }
    if path.exists() {
        return Err(CliError::input(
            format!("--save {} exists already", path.display()),
            "Choose another file, or move that one away",
        ));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => Err(CliError::input(
            format!("--save {}: its folder does not exist", path.display()),
            "Make the folder, or choose another file",
        )),
        _ => Ok(()),
    }
}
