use std::collections::BTreeSet;

use regex::{Regex, RegexSet};

use super::pattern::{compile, compile_set};
use super::pattern_table::PatternTable;
use super::{ModuleSelection, PeftSettings, TargetModules};
use crate::PeftError;

/// The patterns of a configuration, compiled: which modules are adapted, and how. After PEFT
/// 0.21, `check_target_module_exists` and `get_pattern_key`.
#[derive(Debug, Clone)]
pub(super) struct ModuleRules {
    target: Option<Selector>,
    exclude: Option<Selector>,
    saved: RegexSet,
    /// Find the index of a layer in a path; the first that matches counts.
    layer_index: Vec<Regex>,
    /// The indices that are adapted; empty for all.
    layers: BTreeSet<usize>,
    ranks: PatternTable,
    alphas: PatternTable,
}

impl ModuleRules {
    pub fn new(settings: &PeftSettings) -> Result<Self, PeftError> {
        let target = match &settings.target_modules {
            TargetModules::AllLinear => None,
            TargetModules::Selected(selection) => Some(Selector::new("target_modules", selection)?),
        };
        let exclude = settings.exclude_modules.as_ref();
        let exclude = exclude.map(|selection| Selector::new("exclude_modules", selection));
        let saved = settings.modules_to_save.iter().map(String::as_str);
        let ranks = settings.rank_pattern.iter().map(|(key, _)| key.as_str());
        let alphas = settings.alpha_pattern.iter().map(|(key, _)| key.as_str());
        Ok(Self {
            target,
            exclude: exclude.transpose()?,
            saved: compile_set("modules_to_save", saved, |name| {
                format!(r"(^|.*\.){name}($|\..*)")
            })?,
            layer_index: layer_index(settings)?,
            layers: settings.layers_to_transform.iter().copied().collect(),
            ranks: PatternTable::new("rank_pattern", ranks)?,
            alphas: PatternTable::new("alpha_pattern", alphas)?,
        })
    }

    /// Nothing if the module is adapted, else the reason.
    pub fn refusal(&self, module: &str) -> Option<&'static str> {
        if self.exclude.as_ref().is_some_and(|rule| rule.has(module)) {
            return Some("in `exclude_modules`");
        }
        if self.saved.is_match(module) {
            return Some("in `modules_to_save`");
        }
        let Some(target) = &self.target else {
            return None;
        };
        if !target.has(module) {
            return Some("not in `target_modules`");
        }
        // A whole path counts whatever layer it is in.
        if self.layers.is_empty() || target.names_whole(module) {
            return None;
        }
        match self.layer_index(module) {
            Some(index) if self.layers.contains(&index) => None,
            _ => Some("in no layer of `layers_to_transform`"),
        }
    }

    /// Which pattern gives the module's rank.
    pub fn rank(&self, module: &str) -> Option<usize> {
        self.ranks.first(module)
    }

    /// Which pattern gives the module's alpha.
    pub fn alpha(&self, module: &str) -> Option<usize> {
        self.alphas.first(module)
    }

    fn layer_index(&self, module: &str) -> Option<usize> {
        let mut lists = self.layer_index.iter();
        let found = lists.find_map(|list| list.captures(module))?;
        found.name("idx")?.as_str().parse().ok()
    }
}

fn layer_index(settings: &PeftSettings) -> Result<Vec<Regex>, PeftError> {
    let key = "layers_pattern";
    match settings.layers_pattern.as_slice() {
        _ if settings.layers_to_transform.is_empty() => Ok(Vec::new()),
        // The first number in a path, not that of something within the layer.
        [] => Ok(vec![compile(
            key,
            r".*?\.[^.]*\.(?P<idx>\d+)\.",
            str::to_owned,
        )?]),
        lists => lists
            .iter()
            .map(|list| {
                compile(key, list, |list| {
                    format!(r"(?:^|.*?\.){list}\.(?P<idx>\d+)\.")
                })
            })
            .collect(),
    }
}

#[derive(Debug, Clone)]
enum Selector {
    Names(BTreeSet<String>),
    Pattern(Regex),
}

impl Selector {
    fn new(key: &'static str, selection: &ModuleSelection) -> Result<Self, PeftError> {
        Ok(match selection {
            ModuleSelection::Names(names) => Self::Names(names.iter().cloned().collect()),
            ModuleSelection::Pattern(pattern) => Self::Pattern(compile(key, pattern, |pattern| {
                format!(r"(?:{pattern})\z")
            })?),
        })
    }

    fn has(&self, module: &str) -> bool {
        match self {
            Self::Names(names) => endings(module).any(|name| names.contains(name)),
            Self::Pattern(pattern) => pattern.is_match(module),
        }
    }

    fn names_whole(&self, module: &str) -> bool {
        matches!(self, Self::Names(names) if names.contains(module))
    }
}

/// A module's path, and what is behind each of its dots: what may name it.
pub(crate) fn endings(module: &str) -> impl Iterator<Item = &str> {
    let behind = module.match_indices('.').map(|(dot, _)| &module[dot + 1..]);
    std::iter::once(module).chain(behind)
}
