//! Doing something with whichever job a configuration names.

use dacapo_models::{ConvNet, Vit};

use crate::{
    CliError, clip_hba::ClipSession, compute::Compute, config::ModelKind, digits::Session,
    job::Job, sentences::SentenceSession,
};

/// Something that can be done with any job.
pub(crate) trait OnJob {
    /// What comes of it.
    type Out;

    /// Does it.
    fn run<B: Compute, J: Job<B>>(self, device: &B::Device) -> Result<Self::Out, CliError>;
}

/// Does `work` with the job that trains this kind of model.
pub(crate) fn on_job<B: Compute, W: OnJob>(
    kind: ModelKind,
    device: &B::Device,
    work: W,
) -> Result<W::Out, CliError> {
    match kind {
        ModelKind::Vit => work.run::<B, Session<B, Vit<B>>>(device),
        ModelKind::ConvNet => work.run::<B, Session<B, ConvNet<B>>>(device),
        ModelKind::Clip => work.run::<B, ClipSession<B>>(device),
        ModelKind::Bert => work.run::<B, SentenceSession<B>>(device),
    }
}
