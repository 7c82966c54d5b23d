use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser},
};
use dacapo_trainer::PerturbationKind;

use crate::compute::DeviceName;

/// Bit-exact resumable fine-tuning: stop it anywhere, start it again, and not one bit differs.
#[derive(Debug, Parser)]
#[command(
    name = "dacapo",
    version,
    propagate_version = true,
    after_help = "\
Start here:
  dacapo train                       adapt the built-in model to handwritten digits (under a minute)
  dacapo train --out a               ... into the folder a
  dacapo train --out b --stop-after-step 100 && dacapo resume b
                                     the same run, stopped in the middle of an epoch
  dacapo verify a b                  not one bit differs

Exit codes: 0 done; 1 `verify` found a difference; 2 an error, told in one paragraph;
130 / 143 stopped by Ctrl-C / SIGTERM after committing a checkpoint (go on with `resume`)."
)]
pub struct Cli {
    /// Tell every epoch and checkpoint on standard error (-vv: every step).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What config.toml can hold: TOML has no larger integers.
fn toml_integer() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(..=i64::MAX as u64)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fine-tune a model: DoRA adapters on a frozen base, checkpoints, early stopping.
    #[command(long_about = "\
Fine-tune a model: DoRA adapters on a frozen base, checkpoints, early stopping.

Without CONFIG.toml the embedded default runs: a small vision transformer, pretrained on
the handwritten digits 0-4, is adapted to all ten. The run folder holds config.toml (every
setting, resolved), history.csv (one row an epoch), events.jsonl (what happened when),
checkpoints/, and the pointers latest and best.")]
    Train(TrainArgs),
    /// Go on exactly where a run stopped, in the middle of an epoch too.
    #[command(long_about = "\
Go on exactly where a run stopped, in the middle of an epoch too.

The run's state is read from its latest checkpoint and checked part by part; whatever is
missing, damaged or made under another identity (another processor, feature, base or
setting) is refused. In the run's config.toml, train.epochs and [checkpoint] may be changed
between sessions; everything else makes another run.")]
    Resume(ResumeArgs),
    /// Compare two states bit for bit: exit 0 if equal, 1 if not.
    #[command(long_about = "\
Compare two states bit for bit: exit 0 and one state hash if they are equal; exit 1 and
the first differing leaves (path, both values, distance in ULPs, how many) if not.

A and B are checkpoint files or run folders (their latest checkpoints are compared, and the
best ones, and history.csv). Times and places (`info`) and the number of epochs asked for
(`run.epochs`) are listed, never compared.")]
    Verify(VerifyArgs),
    /// Show what a checkpoint holds: every part of the state, and what it continues.
    Inspect(InspectArgs),
    /// Show which kernels compute on a GPU, and which multiplies which matrices; needs no GPU.
    #[command(long_about = "\
Show which kernels compute on a GPU, and which multiplies which matrices; needs no GPU.

On a GPU every matrix product of a run follows this table, which is fixed in the program: the
first line that matches precision (run.precision), class and layout of the operands counts, and
the first of its kernels that can be set up for the shape runs. DoRA's merged weight, dropout
and the optimizer's step have kernels of their own, each with a version. The hash of it all is
part of a run's identity.")]
    Plan(PlanArgs),
    /// Train a base from scratch and save it for `model.base`.
    #[command(long_about = "\
Train a base from scratch and save it for `model.base`.

Without CONFIG.toml this makes the embedded base: a small vision transformer, every
parameter trained on the training images of the digits 0-4. It is a run like any other and
can be stopped and resumed (`dacapo resume DIR --save FILE`); the model of its best epoch
is saved when it ends.")]
    Pretrain(PretrainArgs),
    /// Write a checkpoint's adapters for another program.
    #[command(long_about = "\
Write a checkpoint's adapters for another program.

With --format clip-hba, the format of CLIP-HBA's own code: OUT/dora_params/epochN_dora_params.pth,
which its load_dora_checkpoint loads. The checkpoint must be from the end of an epoch; the
original counts epochs from 0. The optimizer's state is not written.")]
    Export(ExportArgs),
    /// Branch off a run at one of its checkpoints, and change only what is named.
    #[command(long_about = "\
Branch off a run at one of its checkpoints, and change only what is named.

Makes the run folder OUT, which `dacapo resume OUT` goes on with. Without a change the branch
equals the parent's continuation in every bit (`dacapo verify --across-forks`). --perturb
disturbs the steps that follow, for --length epochs; it draws from a stream of its own, so that
data order and dropout are the parent's again afterwards. Parent, step, state hash and every
changed setting are in the branch's lineage: see `dacapo lineage` and `dacapo inspect`.

  dacapo fork baseline --at 29 --out b1 --perturb random-targets --length 1 --perturb-seed 5
  dacapo fork baseline --at step:700 --out b2 --set optimizer.lr=1e-3")]
    Fork(ForkArgs),
    /// Train a whole grid of branches: epochs, perturbations, seeds.
    #[command(long_about = "\
Train a whole grid of branches: epochs, perturbations, seeds.

PLAN.toml, for example:

  baseline = \"runs/baseline\"                 the run folder to branch off
  at = [3, 10, 20]                            after which of its epochs
  kinds = [\"label-shuffle\", \"image-noise\"]   as `fork --perturb`
  seeds = [1, 2]                              of the perturbations
  length = 1                                  epochs a perturbation lasts
  # factor = 0.5                              for the kind learning-rate
  # set = [\"train.epochs=60\"]                 settings that every branch changes

Each branch is a run folder in OUT. Stopped or killed, the same command goes on: finished
branches are kept, begun ones are resumed to the same bits. In the end OUT holds table.csv and
table.md: a row a branch, beside the baseline's history.")]
    Sweep(SweepArgs),
    /// Resume a run without parts of its state, and see what becomes of it.
    #[command(long_about = "\
Resume a run without parts of its state, and see what becomes of it.

Trains the run of CONFIG.toml (or the embedded default) to its end. Then, from the end of each
epoch of --resume-at, goes on again and again, each time as a program that does not save one part
of the state: optimizer moments, step counter, whole optimizer, scheduler, shuffle stream, dropout
stream, early stopping, magnitudes, ... and with everything. The table tells how far the losses
and the adapters are from the whole run's, the first differing step, and whether the omission
matters: whether any other part of the state is another one in the end. With nothing left out
every figure is exactly 0.

OUT holds ablation.json, ablation.csv and ablation.md; `dacapo report` draws them.")]
    Ablate(AblateArgs),
    /// Show which run was branched off which, as a tree.
    #[command(long_about = "\
Show which run was branched off which, as a tree.

DIR is a run folder or a folder that holds run folders, at any depth. For every run: the step
it was branched off and what was changed, how far it is, its best value, whether it was one
continuous training (scenario A) or began with a fresh optimizer every epoch (B), and changes of
identity that were accepted.")]
    Lineage(LineageArgs),
    /// Write one page with the curves, drift and lineage of runs, and their tables and plots.
    #[command(long_about = "\
Write one page with the curves, drift and lineage of runs, and their tables and plots.

DIR is a run folder or a folder that holds run folders, at any depth; where it holds an
ablation.json, that is reported, too. The page is one HTML file, which needs no network and no
other file: losses and RSA over epochs, branches from the point where they left their parent,
their drift from it in %, early stopping, learning rate, lineage and identity. The same runs give
the same bytes: there is no time in it.

  dacapo report runs -o report.html
  dacapo report baseline forks --csv tables --png plots --title \"Perturbed at epoch 29\"

The runs are only read, in the state of their latest checkpoint, and may be going on.")]
    Report(ReportArgs),
    /// Go on with a run that another program has trained.
    #[command(long_about = "\
Go on with a run that another program has trained.

DIR is the save_path of a run of CLIP-HBA's own code: epochN_dora_params.pth,
epochN_random_states.pth, training_res.csv and dataset_split_indices.pth, in it or where that
code puts them below it. Nothing in them is executed. CONFIG.toml is the same training here
(examples/clip_hba.toml is that baseline); a setting of the optimizer that differs is refused.

Adapters, the optimizer's moments and steps, history and split are carried over exactly, and
`dacapo resume` goes on from there. What cannot go on bit for bit (PyTorch's generators) is
told, with what takes its place, and recorded in the run's lineage.")]
    Import(ImportArgs),
    /// Draw stand-ins for images that are not at hand.
    #[command(long_about = "\
Draw stand-ins for images that are not at hand.

For every image name in the tables, which are like clip.targets, a picture of coloured shapes
that depends on the name alone is written as PNG under that name. With them a run of CLIP on
THINGS can be tried from beginning to end; its figures say nothing about the real images.")]
    StandIns(StandInsArgs),
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A checkpoint file, or a run folder for its latest one.
    pub file: PathBuf,
    /// The format to write.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The folder to write to; no file in it is overwritten.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `export` can write.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ExportFormat {
    /// CLIP-HBA's DoRA parameters.
    ClipHba,
}

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

/// Arguments of `lineage`.
#[derive(Debug, Args)]
pub struct LineageArgs {
    /// Run folders, or folders that hold some.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Print the runs as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run folders, or folders that hold some or an ablation.json.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// The page's title.
    #[arg(long, default_value = Self::TITLE)]
    pub title: String,
    /// Write the values of every plot, and the tables, as CSV files into this folder.
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,
    /// Write every plot as a PNG file (1680 pixels wide) into this folder.
    #[arg(long, value_name = "DIR")]
    pub png: Option<PathBuf>,
    /// Replace the files that this command writes where they exist; no other file is touched.
    #[arg(long)]
    pub force: bool,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

impl ReportArgs {
    /// The title of a page that was given none.
    pub const TITLE: &'static str = "Training runs";
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The folder that the other program wrote to.
    pub dir: PathBuf,
    /// The configuration (TOML) to go on with.
    pub config: PathBuf,
    /// The files' format.
    #[arg(long, value_enum)]
    pub format: ImportFormat,
    /// The run folder to make, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The epoch to go on after, as the files are named [default: the last].
    #[arg(long, value_name = "N")]
    pub epoch: Option<u64>,
    /// Begin with fresh moments; needed where the files hold none.
    #[arg(long)]
    pub fresh_optimizer: bool,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Set any configuration key, for example --set clip.split=FILE; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print what was imported as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `import` can read.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ImportFormat {
    /// A run of CLIP-HBA's own code.
    ClipHba,
}

/// Arguments of `stand-ins`.
#[derive(Debug, Args)]
pub struct StandInsArgs {
    /// Tables of image names and targets (CSV).
    #[arg(required = true, value_name = "TARGETS.csv")]
    pub tables: Vec<PathBuf>,
    /// The folder to write to; it may exist, and no file in it is overwritten.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

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
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// Compile every GPU kernel anew instead of keeping them in the user's cache folder.
    #[arg(long)]
    pub no_kernel_cache: bool,
    /// Stop after this many optimizer steps in all, and commit a checkpoint.
    #[arg(long, value_name = "N")]
    pub stop_after_step: Option<u64>,
    /// Set any configuration key, for example --set optimizer.lr=1e-3; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
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
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A checkpoint file or run folder.
    pub a: PathBuf,
    /// Another one.
    pub b: PathBuf,
    /// Leave out what tells a branch from its parent: run id, parent, lineage, settings and the
    /// note of a perturbation. They are listed, as times and places are.
    #[arg(long)]
    pub across_forks: bool,
    /// Show at most this many differing leaves.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max: usize,
    /// Print the comparison as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A checkpoint file, or a run folder for its latest one.
    pub file: PathBuf,
    /// Print the checklist as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The device whose plan to show.
    #[arg(long, default_value = "cuda:0")]
    pub device: DeviceName,
    /// Print the table as JSON.
    #[arg(long)]
    pub json: bool,
}
