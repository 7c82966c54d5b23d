//! Arguments of the commands that train.

use std::path::PathBuf;

use clap::Args;

use super::toml_integer;
use crate::compute::DeviceName;

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The configuration (TOML); docs/config.md lists every key.
    pub config: Option<PathBuf>,
    /// The run folder, which must not exist yet [default: runs/NAME-NNN].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of every random stream (run.seed).
    #[arg(long, value_name = "N", value_parser = toml_integer())]
    pub seed: Option<u64>,
    /// Epochs to train (train.epochs).
    #[arg(long, value_name = "N", value_parser = toml_integer())]
    pub epochs: Option<u64>,
    /// Where to compute: cpu; or in a build with the feature `cuda` cuda:N, the N-th GPU, or
    /// cuda:local, which gives each of a machine's ranks its own.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Compile every GPU kernel anew instead of keeping them in the user's cache folder.
    #[arg(long)]
    pub no_kernel_cache: bool,
    /// Compute everything before the first trainable tensor in every step instead of once. For
    /// comparison, or where memory is short: no bit depends on it.
    #[arg(long)]
    pub no_prefix_cache: bool,
    /// Keep what comes before the first trainable tensor in files in this folder, too, and read
    /// it from there: for other runs and branches, and for data that no memory has room for.
    #[arg(long, value_name = "DIR", conflicts_with = "no_prefix_cache")]
    pub prefix_folder: Option<PathBuf>,
    /// Stop after this many optimizer steps in all, and commit a checkpoint.
    #[arg(long, value_name = "N")]
    pub stop_after_step: Option<u64>,
    /// Set any configuration key, for example --set optimizer.lr=1e-3; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// How several processes train together.
    #[command(flatten)]
    pub ranks: RankArgs,
}

/// Arguments of `pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// How to train.
    #[command(flatten)]
    pub train: TrainArgs,
    /// The file to save the base to, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    pub save: PathBuf,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run folder.
    pub dir: PathBuf,
    /// Train this many epochs in all, instead of what config.toml says.
    #[arg(long, value_name = "N", value_parser = toml_integer())]
    pub epochs: Option<u64>,
    /// Stop after this many optimizer steps in all, and commit a checkpoint.
    #[arg(long, value_name = "N")]
    pub stop_after_step: Option<u64>,
    /// Save the model of the best epoch as a base, as `pretrain` does, when the run ends.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Go on although something that can change bits is not what it was; the change is
    /// recorded in the run's lineage.
    #[arg(long)]
    pub allow_identity_change: bool,
    /// Where to compute [default: where the run did].
    #[arg(long)]
    pub device: Option<DeviceName>,
    /// Compile every GPU kernel anew instead of keeping them in the user's cache folder.
    #[arg(long)]
    pub no_kernel_cache: bool,
    /// Compute everything before the first trainable tensor in every step instead of once. For
    /// comparison, or where memory is short: no bit depends on it.
    #[arg(long)]
    pub no_prefix_cache: bool,
    /// Keep what comes before the first trainable tensor in files in this folder, too, and read
    /// it from there: for other runs and branches, and for data that no memory has room for.
    #[arg(long, value_name = "DIR", conflicts_with = "no_prefix_cache")]
    pub prefix_folder: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// How several processes train together.
    #[command(flatten)]
    pub ranks: RankArgs,
}

/// How several processes train one run; nothing without the feature `mpi`.
#[derive(Debug, Default, Args)]
pub struct RankArgs {
    /// Let the ranks of this run compute on different devices: its bits then depend on which rank
    /// has which, and the run's identity says so.
    #[cfg(feature = "mpi")]
    #[arg(long)]
    pub allow_mixed_devices: bool,
    /// End all ranks when one has not answered for so long; 0 to wait without end.
    #[cfg(feature = "mpi")]
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    pub rank_timeout: u64,
}
