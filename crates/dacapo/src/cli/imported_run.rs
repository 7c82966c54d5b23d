use std::path::Path;

use dacapo_trainer::{ImportSource, Info, Observer, Task, Trainer};
use serde_json::{Value, json};

use super::{observer::RunObserver, run_dir};
use crate::{CliError, compute::Compute, config::RunConfig};

/// The run folder that an import has made.
pub(super) struct ImportedRun {
    /// What scripts are told, which is in the run's events, too.
    pub(super) told: Value,
    pub(super) state_hash: String,
    /// How many trained tensors there are.
    pub(super) tensors: usize,
}

impl ImportedRun {
    /// Makes the folder `root` with the state of `trainer`, which was imported from `source`.
    pub(super) fn save<B: Compute, T: Task<B>>(
        root: &Path,
        config: &RunConfig,
        trainer: &Trainer<B, T>,
        source: &ImportSource,
        optimizer_carried_over: bool,
    ) -> Result<Self, CliError> {
        run_dir::create(root, config)?;
        let folder = run_dir::open(root)?;
        let mut observer = RunObserver::open(root, trainer, Info::default())?;
        let name = trainer.checkpoint_name();
        let best = trainer.early_stopping().best_checkpoint.as_ref() == Some(&name);
        let record = trainer.to_record(observer.info())?;
        let state_hash = record.clone().state_hash::<B::InnerBackend>()?;
        let tensors = record.adapters.len();
        folder.save::<B::InnerBackend>(&name, record, best)?;
        let told = json!({
            "event": "import",
            "run": root,
            "run_id": trainer.run_id(),
            "epochs": trainer.epoch(),
            "step": trainer.global_step(),
            "optimizer_carried_over": optimizer_carried_over,
            "source": source,
            "state_hash": state_hash,
        });
        observer.note(&told)?;
        Ok(Self {
            told,
            state_hash,
            tensors,
        })
    }
}

/// Whole lines about what could not be carried over.
pub(super) fn replaced(source: &ImportSource) -> String {
    let mut out = String::new();
    for (index, line) in source.replaced.iter().enumerate() {
        let head = if index == 0 { "replaced" } else { "" };
        out.push_str(&format!("  {head:<12} {line}\n"));
    }
    out
}
