use super::check::check;
use super::module_rules::ModuleRules;
use super::{PeftSettings, read, write};
use crate::PeftError;

/// A configuration that was checked, with its patterns ready: `adapter_config.json`.
#[derive(Debug, Clone)]
pub struct PeftConfig {
    settings: PeftSettings,
    rules: ModuleRules,
}

impl PeftConfig {
    /// Checks every setting that can be checked without tensors.
    ///
    /// # Errors
    /// [`PeftError::Key`], [`PeftError::Pattern`], [`PeftError::Unsupported`],
    /// [`PeftError::QuantisedBase`].
    pub fn new(settings: PeftSettings) -> Result<Self, PeftError> {
        check(&settings)?;
        let rules = ModuleRules::new(&settings)?;
        Ok(Self { settings, rules })
    }

    /// Reads the bytes of `adapter_config.json`. A key that is missing or null has PEFT's default,
    /// as files of its older versions lack the newer keys; `peft_type`, `r`, `lora_alpha` and
    /// `target_modules` must be there.
    ///
    /// # Errors
    /// Those of [`PeftConfig::new`], and [`PeftError::Json`], [`PeftError::PeftType`],
    /// [`PeftError::MissingKey`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, PeftError> {
        Self::new(read::settings(bytes)?)
    }

    /// The bytes of `adapter_config.json`: keys in the order of the alphabet, the same bytes for
    /// the same settings.
    pub fn to_json(&self) -> Vec<u8> {
        write::json(&self.settings)
    }

    /// What it says.
    pub fn settings(&self) -> &PeftSettings {
        &self.settings
    }

    /// What it says, to be changed and checked again.
    pub fn into_settings(self) -> PeftSettings {
        self.settings
    }

    /// Whether the module of this path, without `base_model.model.`, is adapted. Of `"all-linear"`
    /// the names do not tell: every module is then that is not excluded.
    pub fn is_target(&self, module: &str) -> bool {
        self.refusal(module).is_none()
    }

    /// The rank of an adapted module, by `rank_pattern` or `r`.
    pub fn rank_of(&self, module: &str) -> usize {
        match self.rules.rank(module) {
            Some(index) => self.settings.rank_pattern[index].1,
            None => self.settings.r,
        }
    }

    /// The numerator of the scaling of an adapted module, by `alpha_pattern` or `lora_alpha`.
    pub fn alpha_of(&self, module: &str) -> f64 {
        match self.rules.alpha(module) {
            Some(index) => self.settings.alpha_pattern[index].1,
            None => self.settings.lora_alpha,
        }
    }

    /// s of W + s·B·A for an adapted module whose tensors are of `rank`: alpha/rank, and with
    /// `use_rslora` alpha/√rank.
    pub fn scaling_of(&self, module: &str, rank: usize) -> f64 {
        let alpha = self.alpha_of(module);
        match self.settings.use_rslora {
            true => alpha / (rank as f64).sqrt(),
            false => alpha / rank as f64,
        }
    }

    pub(crate) fn refusal(&self, module: &str) -> Option<&'static str> {
        self.rules.refusal(module)
    }
}

/// The patterns are made from the settings.
impl PartialEq for PeftConfig {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}
