//! Arguments of the commands that exchange files with other programs.

use std::path::PathBuf;

use clap::Args;

use crate::compute::DeviceName;

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
    /// With peft: how the tensors of DoRA's magnitudes are named [default: plain].
    #[arg(long, value_enum, value_name = "NAME")]
    pub magnitude_key: Option<MagnitudeName>,
    /// With peft: what the base model is called, or its folder [default: the name of the weights'
    /// folder].
    #[arg(long, value_name = "NAME")]
    pub base_model: Option<String>,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `export` can write.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ExportFormat {
    /// CLIP-HBA's DoRA parameters.
    ClipHba,
    /// An adapter of Hugging Face PEFT.
    Peft,
}

/// What PEFT's magnitudes are called.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum MagnitudeName {
    /// `<layer>.lora_magnitude_vector`, as PEFT writes it.
    Plain,
    /// `<layer>.lora_magnitude_vector.weight`, its name inside of PEFT.
    Weight,
}

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// A checkpoint file in a run folder, or a run folder for its latest one.
    pub file: PathBuf,
    /// The file to write, which must not exist yet.
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
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
    /// A LoRA or DoRA adapter of Hugging Face PEFT.
    Peft,
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
