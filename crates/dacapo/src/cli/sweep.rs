use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use dacapo_record::{FsStorage, commit, lock_folder};
use dacapo_trainer::{Info, RunFolder, StopReason};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    args::{ForkPoint, LengthUnit, SweepArgs},
    exit_code,
    fork::{Branch, Window},
    on_device::{OnDevice, on_device},
    on_job::{OnJob, on_job},
    output::{print, print_json},
    run_dir,
    signals::Signals,
    summary::program,
    sweep_table::{SweepTable, row},
    train,
};
use crate::{
    CliError,
    compute::Compute,
    config::{SweepPlan, SweepPoint},
    job::Job,
    prefix_keeping::PrefixKeeping,
};

/// The plan's copy in the sweep's folder.
const PLAN: &str = "sweep.toml";

/// A sweep at work.
struct Sweep<'a> {
    args: &'a SweepArgs,
    plan: SweepPlan,
}

pub(crate) fn sweep(args: &SweepArgs) -> Result<i32, CliError> {
    let mut plan = SweepPlan::read(&args.plan)?;
    let baseline = crate::setup::absolute(
        "baseline",
        &plan.baseline,
        "Give the folder of the run to branch off",
    )?;
    plan.baseline = PathBuf::from(baseline);
    // Every point must be there before the first branch is trained.
    for at in &plan.at {
        let out = args.out.join("nowhere");
        Branch::plan(
            &plan.baseline,
            &ForkPoint::Epoch(*at),
            &out,
            None,
            &plan.set,
        )?;
    }
    open(&args.out, &plan)?;
    let _lock = lock_folder(&FsStorage, &args.out, &run_dir::holder())?;
    on_device(args.device, true, Sweep { args, plan })
}

/// Makes the folder with a copy of the plan, or finds the same plan there.
fn open(root: &Path, plan: &SweepPlan) -> Result<(), CliError> {
    let text = toml::to_string_pretty(plan).map_err(|error| {
        CliError::input(
            format!("the plan cannot be written as TOML: {error}"),
            "Use seeds below 2^63, the largest integer of TOML",
        )
    })?;
    let path = root.join(PLAN);
    if root.exists() {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        return match found == text {
            true => Ok(()),
            false => Err(CliError::input(
                format!(
                    "{} exists already, and {PLAN} in it is not this plan",
                    root.display()
                ),
                "Go on with the plan that it was begun with, or choose another --out",
            )),
        };
    }
    std::fs::create_dir_all(root).map_err(|error| {
        CliError::input(
            format!("cannot make the folder {}: {error}", root.display()),
            "Choose a folder that can be written to with --out",
        )
    })?;
    Ok(commit(&FsStorage, &path, text.as_bytes())?)
}

impl OnDevice for Sweep<'_> {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        let Self { args, plan } = self;
        let points = plan.points();
        let signals = Signals::listen()?;
        let bar = ProgressBar::new(points.len() as u64).with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} branches  {elapsed}  {msg}")
                .expect("the template is well formed"),
        );
        bar.tick();
        let waiting = Mutex::new(points.iter().collect::<VecDeque<_>>());
        let failed: Mutex<Option<(String, CliError)>> = Mutex::new(None);
        let jobs = args.jobs.clamp(1, points.len());
        let mut prefix = train::keeping(1, true, args.prefix_folder.clone());
        // Each branch has rows of its own.
        prefix.host /= jobs as u64;
        let work = || {
            while signals.stop().is_none() && locked(&failed).is_none() {
                let Some(point) = locked(&waiting).pop_front() else {
                    return;
                };
                match branch::<B>(&args.out, &plan, point, prefix.clone(), device) {
                    Ok(()) => bar.inc(1),
                    Err(error) => *locked(&failed) = Some((point.name(), error)),
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(work);
            }
        });
        bar.finish_and_clear();
        if let Some((name, error)) = locked(&failed).take() {
            return Err(CliError::input(
                format!("the branch {name} failed: {error}"),
                "Mend the cause and give the same command again: finished branches are kept",
            ));
        }
        if let Some(reason) = signals.stop() {
            print("stopped; the same command goes on\n")?;
            return Ok(match reason {
                StopReason::Interrupt => exit_code::INTERRUPTED,
                _ => exit_code::TERMINATED,
            });
        }
        finish(args, &plan, &points)
    }
}

/// A thread that panicked while it held the lock has changed nothing: locks are held for a
/// moment only.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a branch, unless it is there, and trains it to its end, unless it is. What a signal
/// stops goes on with the same command.
fn branch<B: Compute>(
    root: &Path,
    plan: &SweepPlan,
    point: &SweepPoint,
    prefix: PrefixKeeping,
    device: &B::Device,
) -> Result<(), CliError> {
    let folder = root.join(point.name());
    if folder.exists() {
        let kind = run_dir::read_config(&folder)?.model.kind;
        return on_job::<B, _>(kind, device, GoOn { folder, prefix });
    }
    // Whole before it has its name: whatever interrupts this leaves nothing half made.
    let new = root.join(format!(".new-{}", point.name()));
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(|error| cannot_make(&folder, &error))?;
    }
    let window = Window {
        kind: point.kind,
        length: plan.length,
        unit: LengthUnit::Epoch,
        seed: point.seed,
        factor: plan.factor_of(point.kind),
    };
    let at = ForkPoint::Epoch(point.at);
    let mut branch = Branch::plan(&plan.baseline, &at, &new, Some(window), &plan.set)?;
    branch.will_be_at(&folder);
    let kind = branch.config().model.kind;
    let begin = Begin {
        folder,
        new,
        branch,
        prefix,
    };
    on_job::<B, _>(kind, device, begin)
}

/// A branch that is not there yet: made in `new`, it becomes `folder`.
struct Begin {
    folder: PathBuf,
    new: PathBuf,
    branch: Branch,
    prefix: PrefixKeeping,
}

impl OnJob for Begin {
    type Out = ();

    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<(), CliError> {
        let config = self.branch.config().clone();
        let (job, _) = self.branch.make::<B, J>(device)?;
        std::fs::rename(&self.new, &self.folder)
            .map_err(|error| cannot_make(&self.folder, &error))?;
        let folder = run_dir::open(&self.folder)?;
        train::finish(job, &folder, &config, Info::default(), &self.prefix)
    }
}

/// A branch that is there.
struct GoOn {
    folder: PathBuf,
    prefix: PrefixKeeping,
}

impl OnJob for GoOn {
    type Out = ();

    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<(), CliError> {
        train::go_on::<B, J>(&self.folder, device, &self.prefix)
    }
}

fn cannot_make(folder: &Path, error: &std::io::Error) -> CliError {
    CliError::input(
        format!("cannot make {}: {error}", folder.display()),
        "Free space or fix the folder's permissions",
    )
}

fn finish(args: &SweepArgs, plan: &SweepPlan, points: &[SweepPoint]) -> Result<i32, CliError> {
    let latest = |root: &Path| {
        RunFolder::new(root).load_latest()?.ok_or_else(|| {
            CliError::input(
                format!("{} holds no checkpoint", root.display()),
                "Give the same command again",
            )
        })
    };
    let baseline = latest(&plan.baseline)?;
    let mut rows = Vec::new();
    for point in points {
        rows.push(row(
            point,
            &latest(&args.out.join(point.name()))?,
            &baseline,
        )?);
    }
    let table = SweepTable { rows };
    commit(
        &FsStorage,
        &args.out.join("table.csv"),
        table.csv().as_bytes(),
    )?;
    commit(
        &FsStorage,
        &args.out.join("table.md"),
        table.markdown().as_bytes(),
    )?;
    match args.json {
        true => print_json(&json!(table.rows))?,
        false => print(&format!(
            "{}\n{} branches of {}; table.csv and table.md are in {}\nnext:\n  {} lineage {} {}\n",
            table.markdown(),
            points.len(),
            plan.baseline.display(),
            args.out.display(),
            program(),
            plan.baseline.display(),
            args.out.display(),
        ))?,
    }
    Ok(0)
}
