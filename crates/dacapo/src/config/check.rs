use dacapo_optim::Schedule;

use super::{AdaptMode, ClipHbaConfig, ModelKind, RunConfig, SentencesConfig};
use crate::CliError;

impl RunConfig {
    /// Checks every value as far as that needs neither data nor weights, nor a device. What a
    /// run checks besides: whether the batch fits the data, patterns fit the model's layers, and
    /// files are what they should be.
    ///
    /// # Errors
    /// Names the first key that is out of range.
    pub fn check(&self) -> Result<(), CliError> {
        match self.model.kind {
            ModelKind::Vit => self.model.vit.validate()?,
            ModelKind::ConvNet => self.model.conv_net.validate()?,
            ModelKind::Clip => self.clip_section()?.model().validate()?,
            ModelKind::Bert => {
                if let Some(sizes) = self.sentences_section()?.sizes()? {
                    sizes.validate()?;
                }
            }
        }
        if self.adapt.mode == AdaptMode::Dora {
            self.adapt.dora().validate()?;
        }
        self.scheduler.validate()?;
        let mut settings = self.trainer_settings(Schedule::Constant {}, String::new());
        if let Some(perturbation) = settings.perturbation.take() {
            // In epochs of one step every window is one of whole epochs.
            perturbation.validate(1)?;
        }
        // As many examples as any batch takes.
        Ok(settings.validate(usize::MAX)?)
    }

    /// `[clip]`, which the model `clip` needs.
    ///
    /// # Errors
    /// If it is missing.
    pub fn clip_section(&self) -> Result<&ClipHbaConfig, CliError> {
        let section = self.clip.as_ref();
        section.ok_or_else(|| no_section("clip", "clip", "clip_hba"))
    }

    /// `[sentences]`, which the model `bert` needs.
    ///
    /// # Errors
    /// If it is missing.
    pub fn sentences_section(&self) -> Result<&SentencesConfig, CliError> {
        let section = self.sentences.as_ref();
        section.ok_or_else(|| no_section("bert", "sentences", "minilm_things"))
    }
}

fn no_section(kind: &str, section: &str, example: &str) -> CliError {
    CliError::input(
        format!("model.kind = \"{kind}\" needs the section [{section}]"),
        format!("Start from examples/{example}.toml"),
    )
}
