//! Arguments of the commands that branch runs off.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use dacapo_trainer::PerturbationKind;

use super::toml_integer;
use crate::compute::DeviceName;

/// Arguments of `fork`.
#[derive(Debug, Args)]
pub struct ForkArgs {
    /// The run folder to branch off.
    pub run: PathBuf,
    /// Where: the number of an epoch (its end), step:N, `best` or `latest`. It must be a kept
    /// checkpoint; [checkpoint] in the run's configuration says which are.
    #[arg(long, value_name = "EPOCH|step:N")]
    pub at: ForkPoint,
    /// The run folder to make, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Disturb the steps that follow.
    #[arg(long, value_name = "KIND", value_parser = perturbation_kind())]
    pub perturb: Option<PerturbationKind>,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "perturb")]
    pub length: u64,
    /// What --length counts.
    #[arg(long, value_enum, default_value = "epoch", requires = "perturb")]
    pub unit: LengthUnit,
    /// Seeds the perturbation's draws.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "perturb", value_parser = toml_integer())]
    pub perturb_seed: u64,
    /// The factor on the learning rate, for --perturb learning-rate.
    #[arg(long, value_name = "X", requires = "perturb")]
    pub factor: Option<f64>,
    /// Change a setting, for example --set optimizer.lr=1e-3; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Branch off although something that can change bits is not what it was; the change is
    /// recorded in the lineage.
    #[arg(long)]
    pub allow_identity_change: bool,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Print what was made as JSON.
    #[arg(long)]
    pub json: bool,
}

fn perturbation_kind() -> impl TypedValueParser<Value = PerturbationKind> {
    PossibleValuesParser::new(PerturbationKind::ALL.map(PerturbationKind::name)).map(|name| {
        let mut known = PerturbationKind::ALL.iter();
        let kind = known.rfind(|kind| kind.name() == name);
        *kind.expect("one of the possible values")
    })
}

/// What a length counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LengthUnit {
    /// Epochs.
    Epoch,
    /// Optimizer steps.
    Step,
}

/// Arguments of `sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// The plan (TOML).
    pub plan: PathBuf,
    /// The folder for the branches; one that the same plan was begun in is gone on with.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Keep what comes before the first trainable tensor in files in this folder, too, and read
    /// it from there: for other runs and branches, and for data that no memory has room for.
    #[arg(long, value_name = "DIR")]
    pub prefix_folder: Option<PathBuf>,
    /// How many branches are trained at a time, each with a model and data of its own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Print the table as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ablate`.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// The configuration (TOML); docs/config.md lists every key.
    pub config: Option<PathBuf>,
    /// The epochs after which to resume, for example 3,10,20.
    #[arg(long, value_name = "E", required = true, value_delimiter = ',')]
    pub resume_at: Vec<u64>,
    /// The folder to make, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Epochs to train (train.epochs).
    #[arg(long, value_name = "N", value_parser = toml_integer())]
    pub epochs: Option<u64>,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Set any configuration key; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the ablation as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A checkpoint to branch off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkPoint {
    /// The end of an epoch, from 1.
    Epoch(u64),
    /// After so many optimizer steps.
    Step(u64),
    /// The best one.
    Best,
    /// The latest one.
    Latest,
}

impl std::str::FromStr for ForkPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.parse::<u64>();
            number.map_err(|_| "write the number of an epoch, step:N, best or latest".to_owned())
        };
        match text.split_once(':') {
            None if text == "best" => Ok(Self::Best),
            None if text == "latest" => Ok(Self::Latest),
            None => number(text).map(Self::Epoch),
            Some(("epoch", epoch)) => number(epoch).map(Self::Epoch),
            Some(("step", step)) => number(step).map(Self::Step),
            Some(_) => number(text).map(Self::Epoch),
        }
    }
}
