use std::path::{Path, PathBuf};

use burn::module::AutodiffModule;
use dacapo_trainer::module_tensors;

use super::{
    args::ImportArgs,
    imported_run::{ImportedRun, replaced},
    on_device::{OnDevice, on_device},
    on_job::{OnJob, on_job},
    output::{print, print_json},
    run_dir,
    summary::program,
};
use crate::{
    CliError,
    compute::Compute,
    config::{ModelKind, RunConfig, load_config},
    exchange::{PeftFolder, PublishedModel},
    job::Job,
};

/// The adapter to begin with, and the run to make.
struct PeftImport {
    root: PathBuf,
    config: RunConfig,
    folder: PeftFolder,
    json: bool,
}

pub(super) fn import_peft(args: &ImportArgs) -> Result<i32, CliError> {
    if args.epoch.is_some() {
        return Err(CliError::input(
            "--epoch has no meaning with --format peft: an adapter has no epochs",
            "Give the folder of the adapter that you mean",
        ));
    }
    let root = run_dir::free(&args.out)?;
    let mut config = load_config(RunConfig::default(), Some(&args.config), &args.set)?;
    let folder = PeftFolder::read(&args.dir, &PublishedModel::of(&config)?)?;
    if !has_adapt(&args.config, &args.set)? {
        let also_train = match config.model.kind {
            // Without it nothing would be learnt.
            ModelKind::Bert => vec!["head.*".to_owned()],
            _ => Vec::new(),
        };
        config.adapt = folder.adapt_section(also_train);
    }
    let work = PeftImport {
        root,
        config,
        folder,
        json: args.json,
    };
    on_device(args.device, true, work)
}

/// Whether a configuration says what is trained and how.
fn has_adapt(file: &Path, set: &[String]) -> Result<bool, CliError> {
    let again = |error: &dyn std::fmt::Display| {
        CliError::input(
            format!(
                "cannot read the configuration {} again: {error}",
                file.display()
            ),
            "Leave it as it is meanwhile",
        )
    };
    let text = std::fs::read_to_string(file).map_err(|error| again(&error))?;
    let table: toml::Table = text.parse().map_err(|error| again(&error))?;
    let mut set = set.iter().map(|assignment| assignment.trim_start());
    Ok(table.contains_key("adapt") || set.any(|assignment| assignment.starts_with("adapt")))
}

impl OnDevice for PeftImport {
    fn run<B: Compute>(self, device: &B::Device) -> Result<i32, CliError> {
        on_job::<B, _>(self.config.model.kind, device, self)
    }
}

impl OnJob for PeftImport {
    type Out = i32;

    fn run<B: Compute, J: Job<B>>(mut self, device: &B::Device) -> Result<i32, CliError> {
        let mut session = J::start(&mut self.config, device)?;
        let trainer = session.trainer_mut();
        let layers = trainer.trainable().keys();
        let layers = layers.filter_map(|path| path.strip_suffix(".adapter.lora_a"));
        let layers: Vec<String> = layers.map(str::to_owned).collect();
        let is_trained = |path: &str| trainer.trainable().contains_key(path);
        self.folder
            .check_section(&self.config.adapt, &layers, is_trained)?;

        let mut initial = module_tensors(&trainer.model().valid());
        initial.retain(|path, _| trainer.trainable().contains_key(path));
        let imported = self.folder.imported(initial)?;
        let source = imported.source.clone();
        trainer.import(imported)?;
        let trainer = session.trainer();
        let made = ImportedRun::save(&self.root, &self.config, trainer, &source, false)?;
        match self.json {
            true => print_json(&made.told)?,
            false => {
                let root = self.root.display();
                print(&format!(
                    "an adapter of {} layers imported into {root}, run {}\n  data         {}\n  \
                     carried over {} tensors; [adapt] in {root}/{} is the adapter's\n{}  \
                     state        {}\nnext:\n  {} resume {root}\n",
                    layers.len(),
                    trainer.run_id(),
                    session.data(),
                    made.tensors,
                    run_dir::CONFIG,
                    replaced(&source),
                    made.state_hash,
                    program(),
                ))?;
            }
        }
        Ok(0)
    }
}
