//! One process, or one of several that a launcher such as `mpirun` or `srun` has started.

mod launcher;
#[cfg(feature = "mpi")]
mod mpi_communicator;
mod report;

use burn::tensor::backend::AutodiffBackend;
use dacapo_trainer::{Ranks, SettingChange, Task, Trainer};
use serde_json::json;
#[cfg(feature = "mpi")]
use std::sync::Arc;

pub(crate) use report::RankReport;

use super::{args::RankArgs, output::complain, run_dir::changes};
use crate::{CliError, config::RunConfig};

/// The processes of this command.
pub(crate) struct Launch {
    /// Whom this process trains with.
    pub(crate) ranks: Ranks,
    /// This process's number among those on its machine, and how many there are.
    pub(crate) local_rank: usize,
    pub(crate) local_size: usize,
    /// Whether the ranks may compute on different devices.
    pub(crate) mixed_devices: bool,
    #[cfg(feature = "mpi")]
    mpi: Option<Arc<mpi_communicator::Mpi>>,
}

impl Launch {
    /// Joins the processes that were started together with this one.
    ///
    /// # Errors
    /// Several of them, where this program cannot speak with the others.
    pub(crate) fn start(args: &RankArgs) -> Result<Self, CliError> {
        #[cfg(feature = "mpi")]
        {
            let mpi = match launcher::processes() {
                Some((count, told)) => {
                    let mpi = mpi_communicator::Mpi::start(args.rank_timeout)?;
                    mpi.check_size(count, told)?;
                    Some(Arc::new(mpi))
                }
                None => None,
            };
            Ok(Self {
                ranks: match &mpi {
                    Some(mpi) => Ranks::of(mpi_communicator::MpiCommunicator::new(mpi)),
                    None => Ranks::alone(),
                },
                local_rank: mpi.as_ref().map_or(0, |mpi| mpi.local_rank),
                local_size: mpi.as_ref().map_or(1, |mpi| mpi.local_size),
                mixed_devices: args.allow_mixed_devices,
                mpi,
            })
        }
        #[cfg(not(feature = "mpi"))]
        {
            let RankArgs {} = args;
            match launcher::processes() {
                Some((count, told)) if count > 1 => Err(CliError::input(
                    format!(
                        "{told} says that {count} processes were started together, but this \
                         program was built without the feature `mpi`, and each would train by itself"
                    ),
                    "Build it with `cargo build --release --features mpi`, or start one process",
                )),
                _ => Ok(Self {
                    ranks: Ranks::alone(),
                    local_rank: 0,
                    local_size: 1,
                    mixed_devices: false,
                }),
            }
        }
    }

    /// Lets the trainers of all ranks train one run, if they are alike.
    ///
    /// # Errors
    /// Those of [`Trainer::join`].
    pub(crate) fn join<B: AutodiffBackend, T: Task<B>>(
        &self,
        trainer: &mut Trainer<B, T>,
        config: &RunConfig,
    ) -> Result<(), CliError> {
        if self.ranks.size() == 1 {
            return Ok(());
        }
        let mut program = blake3::Hasher::new();
        let file = std::env::current_exe().and_then(std::fs::File::open);
        let hashed = file.and_then(|file| program.update_reader(file).map(|_| ()));
        hashed.map_err(|error| {
            CliError::input(
                format!(
                    "this program's own file, which the ranks compare, cannot be read: {error}"
                ),
                "Leave the program where it is while it runs",
            )
        })?;
        // Key by key, so that the one that differs is named.
        let settings = changes(&json!({}), &config.shared_json());
        let mut facts = vec![("program", program.finalize().to_hex().to_string())];
        for SettingChange { key, to, .. } in &settings {
            facts.push((key, to.clone()));
        }
        Ok(trainer.join(self.ranks.clone(), &facts, self.mixed_devices)?)
    }

    /// What every rank has sent and received so far, and how long it has waited for that, on all of
    /// them; nothing where there is one.
    pub(crate) fn reports(&self) -> Result<Vec<RankReport>, CliError> {
        if self.ranks.size() == 1 {
            return Ok(Vec::new());
        }
        #[cfg(feature = "mpi")]
        let traffic = self.mpi.as_ref().map(|mpi| mpi.traffic());
        #[cfg(not(feature = "mpi"))]
        let traffic = None;
        RankReport::now(traffic.unwrap_or_default()).exchanged(&self.ranks)
    }

    /// Tells the other processes that this one ends with `error`, and names it in that error.
    pub(crate) fn failed(&self, error: CliError) -> CliError {
        self.ranks.fail(&error);
        if self.ranks.size() == 1 {
            return error;
        }
        let error = CliError::Rank {
            rank: self.ranks.rank(),
            size: self.ranks.size(),
            source: Box::new(error),
        };
        // Before MPI ends, which waits for all: once one has left with an error, the launcher kills the
        // others, and what they had to say is lost.
        complain(&error.to_string());
        error
    }
}

/// Refuses several processes that do the same: commands that train nothing are one's work.
pub(crate) fn refuse_several(command: &str) -> Result<(), CliError> {
    match launcher::processes() {
        Some((count, told)) if count > 1 => Err(CliError::input(
            format!(
                "{told} says that {count} processes were started together; `dacapo {command}` is \
                 the work of one"
            ),
            "Start it without mpirun or srun; train and resume are for several",
        )),
        _ => Ok(()),
    }
}
