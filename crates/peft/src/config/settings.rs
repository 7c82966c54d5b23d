use std::collections::BTreeMap;

use serde_json::Value;

use super::{InitLoraWeights, TargetModules};
use crate::ModuleSelection;

/// What `adapter_config.json` says, by PEFT's own names. [`PeftConfig`](crate::PeftConfig) checks
/// it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeftSettings {
    /// Rank of the layers that `rank_pattern` does not match; at least 1.
    pub r: usize,
    /// Numerator of the scaling of the layers that `alpha_pattern` does not match; finite.
    pub lora_alpha: f64,
    /// Dropout probability on the adapter's input in training, `0 <= lora_dropout < 1`.
    pub lora_dropout: f64,
    /// Whether layers have a magnitude (DoRA).
    pub use_dora: bool,
    /// Whether the scaling is alpha/√r (rsLoRA) and not alpha/r.
    pub use_rslora: bool,
    /// The modules that are adapted.
    pub target_modules: TargetModules,
    /// Modules that are not, though `target_modules` means them.
    pub exclude_modules: Option<ModuleSelection>,
    /// The indices of the layers that are adapted; empty for all. Modules that `target_modules`
    /// names by their whole path are adapted wherever they are.
    pub layers_to_transform: Vec<usize>,
    /// Regular expressions of the list of layers that these indices count; empty for any list.
    pub layers_pattern: Vec<String>,
    /// Ranks by a regular expression of the end of a path, from a `.` on. The first that matches
    /// counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// Numerators of the scaling, in the same way.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Modules that were trained whole: those whose path ends with one of these.
    pub modules_to_save: Vec<String>,
    /// How A and B began.
    pub init_lora_weights: InitLoraWeights,
    /// Whether it was saved to be used, not trained on.
    pub inference_mode: bool,
    /// PEFT's name of the task, as in `SEQ_CLS`.
    pub task_type: Option<String>,
    /// The base model's name or folder.
    pub base_model_name_or_path: Option<String>,
    /// The base model's revision.
    pub revision: Option<String>,
    /// The version of PEFT that wrote the file.
    pub peft_version: Option<String>,
    /// Every other key: remarks, and keys that are unset (null, false or empty).
    pub other: BTreeMap<String, Value>,
}

impl PeftSettings {
    /// Plain LoRA of one rank, to be used; everything else as PEFT has it by default.
    pub fn new(r: usize, lora_alpha: f64, target_modules: TargetModules) -> Self {
        Self {
            r,
            lora_alpha,
            lora_dropout: 0.0,
            use_dora: false,
            use_rslora: false,
            target_modules,
            exclude_modules: None,
            layers_to_transform: Vec::new(),
            layers_pattern: Vec::new(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            modules_to_save: Vec::new(),
            init_lora_weights: InitLoraWeights::Default(true),
            inference_mode: true,
            task_type: None,
            base_model_name_or_path: None,
            revision: None,
            peft_version: None,
            other: BTreeMap::new(),
        }
    }
}
