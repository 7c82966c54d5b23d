use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

/// The command line of a benchmark.
#[derive(Parser, Clone, Debug)]
pub struct Args {
    /// Where to write the figures.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Tiny sizes: does it run at all?
    #[arg(long)]
    pub quick: bool,
    /// Measurements, each of several calls, that a median is taken of.
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Start nothing new after this many seconds.
    #[arg(long, default_value_t = 60)]
    pub budget: u64,
    /// Only cases whose name holds this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Keep compiled kernels in this folder.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// When the program started.
    #[arg(skip = Instant::now())]
    pub start: Instant,
}

impl Args {
    /// Whether a case of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only))
    }

    /// Whether the time for new measurements is over.
    pub fn out_of_time(&self) -> bool {
        self.start.elapsed() > Duration::from_secs(self.budget)
    }
}
