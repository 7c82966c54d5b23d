//! Arguments of the commands that look at runs.

use std::path::PathBuf;

use clap::Args;

use crate::compute::DeviceName;

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

/// Arguments of `repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// A run folder.
    pub dir: PathBuf,
    /// Say what is wrong and what would be done; exit 1 if there is something to do.
    #[arg(long)]
    pub dry_run: bool,
    /// Delete damaged checkpoints instead of moving them to damaged/, and unfinished files and
    /// pins of branches that are gone.
    #[arg(long)]
    pub delete: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    pub json: bool,
}
