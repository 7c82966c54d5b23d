use std::path::{Path, PathBuf};

use dacapo_trainer::TrainerRecord;

use super::{
    checkpoint_file::{read_payload, resolve},
    run_dir,
};
use crate::{CliError, config::RunConfig};

/// A checkpoint of a run, with the configuration that says where the run's files are.
pub(super) struct RunCheckpoint {
    pub(super) path: PathBuf,
    pub(super) config: RunConfig,
    pub(super) record: TrainerRecord,
}

impl RunCheckpoint {
    /// The checkpoint `file` in a run folder, or a run folder's latest one.
    ///
    /// # Errors
    /// A checkpoint outside of a run folder; a configuration that is not the checkpoint's.
    pub(super) fn read(file: &Path) -> Result<Self, CliError> {
        let path = resolve(file)?;
        let record = TrainerRecord::from_payload(&path, &read_payload(&path)?)?;
        let root = match file.is_dir() {
            true => Some(file),
            // It lies in `checkpoints/`.
            false => path.parent().and_then(Path::parent),
        };
        let root = root.filter(|root| root.join(run_dir::CONFIG).is_file());
        let root = root.ok_or_else(|| {
            CliError::input(
                format!(
                    "{} lies in no run folder, whose {} would say where the base's weights are",
                    path.display(),
                    run_dir::CONFIG
                ),
                "Give a run folder, or a checkpoint in its folder checkpoints",
            )
        })?;
        let config = run_dir::read_config(root)?;
        run_dir::check_unchanged(&config, &record.run.config)?;
        Ok(Self {
            path,
            config,
            record,
        })
    }
}
