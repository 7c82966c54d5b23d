//! The command line as the user writes it.

mod branching;
mod exchange;
mod looking;
mod running;
mod surroundings;

use clap::{Parser, Subcommand, builder::RangedU64ValueParser};

pub(crate) use branching::{AblateArgs, ForkArgs, ForkPoint, LengthUnit, SweepArgs};
pub(crate) use exchange::{
    ExportArgs, ExportFormat, ImportArgs, ImportFormat, MagnitudeName, MergeArgs, StandInsArgs,
};
pub(crate) use looking::{InspectArgs, LineageArgs, PlanArgs, RepairArgs, ReportArgs, VerifyArgs};
pub(crate) use running::{PretrainArgs, RankArgs, ResumeArgs, TrainArgs};
pub(crate) use surroundings::{CompletionsArgs, ConfigArgs, ManArgs};

use super::exit_code;

/// What `--help` ends with, before the exit codes.
const START_HERE: &str = "\
Start here:
  dacapo train                       adapt the built-in model to handwritten digits (under a minute)
  dacapo train --out a               ... into the folder a
  dacapo train --out b --stop-after-step 100 && dacapo resume b
                                     the same run, stopped in the middle of an epoch
  dacapo verify a b                  not one bit differs
";

/// Bit-exact resumable fine-tuning: stop it anywhere, start it again, and not one bit differs.
#[derive(Debug, Parser)]
#[command(
    name = "dacapo",
    version,
    propagate_version = true,
    after_help = format!("{START_HERE}\n{}", exit_code::listed())
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
    /// Mend a run folder after a crash or a damaged disk; nothing is deleted unasked.
    #[command(long_about = "\
Mend a run folder after a crash or a damaged disk; nothing is deleted unasked.

Every checkpoint is read and checked. Damaged ones are moved to damaged/ in the run folder,
`latest` and `best` are set to whole ones where they do not lead to any, a missing config.toml
and history.csv are written anew from the record. What is lost are steps, not results: `resume`
computes them again, to the same bits. A run that was merely killed needs no repair.

Exit codes: 0 nothing is wrong, or it was mended; 1 `--dry-run` found something to mend; 2 the
run cannot be mended (no checkpoint is whole, or a file cannot be read).")]
    Repair(RepairArgs),
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
original counts epochs from 0. The optimizer's state is not written.

With --format peft, a folder that Hugging Face PEFT loads onto the model in transformers:
adapter_config.json and adapter_model.safetensors, for runs of CLIP and BERT whose adapters are
DoRA as PEFT computes it, or LoRA. The head of a sentence run lies beside them in
head.safetensors.")]
    Export(ExportArgs),
    /// Write the model with its adapters merged, as safetensors under the original's names.
    #[command(long_about = "\
Write the model with its adapters merged, as safetensors under the original's names.

For runs of CLIP and BERT that began from published weights. The weight of every adapted layer
is W', as a forward pass on the CPU computes it in f32; what else was trained is in its place;
every other tensor is the original's, byte for byte. The head of a sentence run, which is no part
of that model, is written to OUT's name with .head.safetensors.")]
    Merge(MergeArgs),
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
told, with what takes its place, and recorded in the run's lineage.

With --format peft, DIR is an adapter that Hugging Face PEFT has saved, LoRA or DoRA, and the run
begins at epoch 0 with it and with fresh moments. CONFIG.toml names model and data; its section
[adapt] must be the adapter's, or is filled in if it is left out.")]
    Import(ImportArgs),
    /// Draw stand-ins for images that are not at hand.
    #[command(long_about = "\
Draw stand-ins for images that are not at hand.

For every image name in the tables, which are like clip.targets, a picture of coloured shapes
that depends on the name alone is written as PNG under that name. With them a run of CLIP on
THINGS can be tried from beginning to end; its figures say nothing about the real images.")]
    StandIns(StandInsArgs),
    /// Check a configuration and print it resolved, or the defaults, or the schema.
    #[command(long_about = "\
Check a configuration and print it resolved, or the defaults, or the schema.

Prints what `train` (or, with --pretrain, `pretrain`) would run with, every key resolved, as TOML
that can be given to it again. Keys, types and ranges are checked; whether files are there, and fit,
is seen when the run is made, and an absent scheduler.total becomes its length then.

  dacapo config --default > config.toml          every key, explained
  dacapo config config.toml --set train.epochs=3
  dacapo config --schema > dacapo.schema.json    for editors that know JSON Schema")]
    Config(ConfigArgs),
    /// Print a script that completes commands and options in a shell.
    #[command(long_about = "\
Print a script that completes commands and options in a shell.

docs/cli.md says where each shell looks for it. For one session of bash:

  source <(dacapo completions bash)")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command.
    Man(ManArgs),
}
