use std::path::PathBuf;

use dacapo_record::{FsStorage, commit};
use indicatif::ProgressBar;
use serde_json::json;

use super::{
    args::AblateArgs,
    on_device::{OnDevice, on_device},
    on_job::{OnJob, on_job},
    output::{print, print_json},
    run_dir,
};
use crate::{
    CliError, ablation,
    compute::Compute,
    config::{RunConfig, load_config},
    job::Job,
};

/// What to ablate, and where to write to.
struct Work {
    root: PathBuf,
    config: RunConfig,
    resume_at: Vec<u64>,
    command: String,
    json: bool,
}

pub(crate) fn ablate(args: &AblateArgs) -> Result<i32, CliError> {
    let mut set = args.set.clone();
    set.extend(args.epochs.map(|epochs| format!("train.epochs={epochs}")));
    let config = load_config(RunConfig::default(), args.config.as_deref(), &set)?;
    let mut resume_at = args.resume_at.clone();
    resume_at.sort_unstable();
    resume_at.dedup();
    let work = Work {
        root: run_dir::free(&args.out)?,
        config,
        resume_at,
        command: command(args),
        json: args.json,
    };
    on_device(args.device, true, work)
}

/// The command, without what does not change its result.
fn command(args: &AblateArgs) -> String {
    let mut words = vec!["dacapo ablate".to_owned()];
    words.extend(args.config.as_ref().map(|path| path.display().to_string()));
    words.push("--resume-at".to_owned());
    let at: Vec<String> = args.resume_at.iter().map(u64::to_string).collect();
    words.push(at.join(","));
    words.extend(args.epochs.map(|epochs| format!("--epochs {epochs}")));
    words.extend(args.set.iter().map(|set| format!("--set {set}")));
    words.join(" ")
}

impl OnDevice for Work {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        on_job::<B, _>(self.config.model.kind, device, self)
    }
}

impl OnJob for Work {
    type Out = i32;

    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<i32, CliError> {
        let mut work = self;
        let mut job = J::start(&mut work.config, device)?;
        run_dir::create(&work.root, &work.config)?;
        // Drawn on terminals only.
        let bar = ProgressBar::new_spinner();
        let found = ablation::ablate(job.trainer_mut(), &work.resume_at, &work.command, |what| {
            bar.set_message(what.to_owned());
            bar.inc(1);
        });
        bar.finish_and_clear();
        let found = found.inspect_err(|_| {
            // Only what was made here; the error that is on its way says more.
            let _ = std::fs::remove_dir_all(&work.root);
        })?;
        let text = serde_json::to_string_pretty(&found).expect("an ablation is plain data") + "\n";
        commit(
            &FsStorage,
            &work.root.join("ablation.json"),
            text.as_bytes(),
        )?;
        commit(
            &FsStorage,
            &work.root.join("ablation.csv"),
            ablation::csv(&found).as_bytes(),
        )?;
        let table = ablation::markdown(&found);
        commit(&FsStorage, &work.root.join("ablation.md"), table.as_bytes())?;
        match work.json {
            true => print_json(&json!(found))?,
            false => print(&format!(
                "{table}\nbaseline: run {}, {} epochs of {} steps, state {}\n\
             written: ablation.json, ablation.csv and ablation.md in {}\n",
                found.baseline.run_id,
                found.baseline.stopped_epoch,
                found.steps_per_epoch,
                found.baseline.state_hash,
                work.root.display()
            ))?,
        }
        Ok(0)
    }
}
