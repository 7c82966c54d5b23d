//! The patterns of parameter groups.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use crate::{OptimError, ParamSpec};

/// The groups' patterns, in the order of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Patterns(Vec<(String, WildMatch)>);

impl Patterns {
    pub(crate) fn new<'a>(patterns: impl Iterator<Item = &'a String>) -> Self {
        Self(
            patterns
                .map(|pattern| (pattern.clone(), WildMatch::new(pattern)))
                .collect(),
        )
    }

    /// The first group that a path belongs to.
    pub(crate) fn group(&self, path: &str) -> Option<usize> {
        self.0.iter().position(|(_, pattern)| pattern.matches(path))
    }

    /// Refuses a group that no parameter is in.
    pub(crate) fn check(&self, params: &BTreeMap<String, ParamSpec>) -> Result<(), OptimError> {
        let unmatched = self
            .0
            .iter()
            .position(|(_, pattern)| !params.keys().any(|path| pattern.matches(path)));
        match unmatched {
            None => Ok(()),
            Some(index) => Err(OptimError::UnmatchedGroup {
                index,
                pattern: self.0[index].0.clone(),
                available: join(params.keys()),
            }),
        }
    }
}

pub(crate) fn join<'a>(paths: impl Iterator<Item = &'a String>) -> String {
    paths.map(String::as_str).collect::<Vec<_>>().join(", ")
}
