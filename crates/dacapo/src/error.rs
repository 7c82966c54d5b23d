use dacapo_dora::DoraError;
use dacapo_models::ModelsError;
use dacapo_optim::OptimError;
use dacapo_peft::PeftError;
use dacapo_pth::PthError;
use dacapo_record::RecordError;
use dacapo_report::ReportError;
use dacapo_rng::RngError;
use dacapo_rsa::RsaError;
use dacapo_things::ThingsError;
use dacapo_trainer::TrainerError;

/// Why a command could not do what it was asked to. Every message ends with what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// Something given on the command line or in a configuration cannot be used.
    #[error("{what}. {next}.")]
    Input {
        /// The cause.
        what: String,
        /// The next action.
        next: String,
    },
    /// One of several processes failed.
    #[error("rank {rank} of {size}: {source}")]
    Rank {
        /// Which.
        rank: usize,
        /// How many there are.
        size: usize,
        /// Why.
        source: Box<CliError>,
    },
    /// Training, or going on with it, failed.
    #[error(transparent)]
    Trainer(#[from] TrainerError),
    /// A record file failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An adapter cannot be attached.
    #[error("adapt: {0}")]
    Dora(#[from] DoraError),
    /// A model or data set cannot be used.
    #[error("{0}")]
    Models(#[from] ModelsError),
    /// Targets or images cannot be used.
    #[error("data: {0}")]
    Things(#[from] ThingsError),
    /// A file of PyTorch's cannot be used.
    #[error("{0}")]
    Pth(Box<PthError>),
    /// An adapter of PEFT's cannot be used.
    #[error("peft: {0}")]
    Peft(Box<PeftError>),
    /// A dissimilarity matrix cannot be used.
    #[error("rsa: {0}")]
    Rsa(#[from] RsaError),
    /// A report cannot be made.
    #[error("report: {0}")]
    Report(Box<ReportError>),
    /// A random stream failed.
    #[error("rng: {0}")]
    Rng(#[from] RngError),
    /// An optimizer setting is out of range.
    #[error("optimizer: {0}")]
    Optimizer(#[from] OptimError),
}

impl From<PthError> for CliError {
    fn from(error: PthError) -> Self {
        Self::Pth(Box::new(error))
    }
}

impl From<PeftError> for CliError {
    fn from(error: PeftError) -> Self {
        Self::Peft(Box::new(error))
    }
}

impl From<ReportError> for CliError {
    fn from(error: ReportError) -> Self {
        Self::Report(Box::new(error))
    }
}

impl CliError {
    /// An [`Input`](Self::Input) error; neither text ends with a full stop.
    pub fn input(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Input {
            what: what.into(),
            next: next.into(),
        }
    }
}
