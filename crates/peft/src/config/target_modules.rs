use super::ModuleSelection;

/// Which modules are adapted: `target_modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// These.
    Selected(ModuleSelection),
    /// `"all-linear"`: every linear layer but the head. PEFT replaces it by names before it saves.
    AllLinear,
}

impl TargetModules {
    /// These names, or what ends with them.
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self::Selected(ModuleSelection::Names(names))
    }
}
