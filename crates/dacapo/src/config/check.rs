use dacapo_optim::Schedule;

use super::{AdaptMode, ModelKind, RunConfig};
use crate::CliError;

impl RunConfig {
    /// Checks every value as far as that needs neither data nor weights, nor a device. What a
    /// run checks besides: whether the batch fits the data, patterns fit the model's layers, and
    /// files are what they should be.
    ///
    /// # Errors
    /// Names the first key that is out of range.
    pub fn check(&self) -> Result<(), CliError> {
        match (self.model.kind, &self.clip) {
            (ModelKind::Vit, _) => self.model.vit.validate()?,
            (ModelKind::ConvNet, _) => self.model.conv_net.validate()?,
            (ModelKind::Clip, Some(clip)) => clip.model().validate()?,
            (ModelKind::Clip, None) => {
                return Err(CliError::input(
                    "model.kind = \"clip\" needs the section [clip]",
                    "Start from examples/clip_hba.toml",
                ));
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
}
