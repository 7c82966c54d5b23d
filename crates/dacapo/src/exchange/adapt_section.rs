//! The section `[adapt]` that an adapter of PEFT's asks for.

use std::collections::BTreeSet;

use dacapo_dora::{AdapterInit, Flavour};
use serde::Serialize;

use super::PeftFolder;
use crate::{
    CliError,
    config::{AdaptConfig, AdaptMode},
};

impl PeftFolder {
    /// The section under which a run has adapters like these, and trains what came with them, on top
    /// of `also_train`.
    pub(crate) fn adapt_section(&self, also_train: Vec<String>) -> AdaptConfig {
        self.section(also_train, self.saved.keys().cloned())
    }

    fn section(
        &self,
        mut also_train: Vec<String>,
        more: impl Iterator<Item = String>,
    ) -> AdaptConfig {
        also_train.extend(more);
        let config = self.adapter.config();
        let settings = config.settings();
        let ranks = self.modules.iter();
        let ranks = ranks.map(|(path, module)| (path.clone(), config.rank_of(module)));
        let alphas = self.modules.iter();
        let alphas = alphas.map(|(path, module)| (path.clone(), config.alpha_of(module)));
        AdaptConfig {
            mode: AdaptMode::Dora,
            flavour: match settings.use_dora {
                true => Flavour::Peft,
                false => Flavour::Lora,
            },
            rank: settings.r,
            alpha: settings.lora_alpha,
            rslora: settings.use_rslora,
            init: AdapterInit::Kaiming,
            dropout: settings.lora_dropout,
            targets: self.modules.keys().cloned().collect(),
            rank_pattern: ranks.filter(|(_, rank)| *rank != settings.r).collect(),
            alpha_pattern: alphas
                .filter(|(_, alpha)| *alpha != settings.lora_alpha)
                .collect(),
            also_train,
        }
    }

    /// Refuses a run under `given`, which adapts `layers` and of whose tensors those are trained that
    /// `is_trained` tells, unless its adapters are like these.
    ///
    /// # Errors
    /// All differences, and the section that would fit.
    pub(crate) fn check_section(
        &self,
        given: &AdaptConfig,
        layers: &[String],
        is_trained: impl Fn(&str) -> bool,
    ) -> Result<(), CliError> {
        let frozen = self.saved.keys().filter(|path| !is_trained(path));
        let frozen: Vec<String> = frozen.cloned().collect();
        let fitting = self.section(given.also_train.clone(), frozen.iter().cloned());
        let mut differences = Vec::new();
        let mut differ = |key: &str, found: String, expected: String| {
            if found != expected {
                differences.push(format!("{key} is {found}, the adapter's {expected}"));
            }
        };
        differ("mode", word(&given.mode), word(&fitting.mode));
        differ("flavour", word(&given.flavour), word(&fitting.flavour));
        differ("rslora", word(&given.rslora), word(&fitting.rslora));
        differ("dropout", word(&given.dropout), word(&fitting.dropout));
        if given.init.takes_from_base() {
            let expected = "\"kaiming\": the base is to stay as it is";
            differ("init", word(&given.init), expected.to_owned());
        }
        if !frozen.is_empty() {
            let frozen = frozen.join(", ");
            differences.push(format!(
                "also_train lacks what the adapter brings along: {frozen}"
            ));
        }
        let found: BTreeSet<&str> = layers.iter().map(String::as_str).collect();
        let wanted = self.paths();
        let names = |names: Vec<&str>| names.join(", ");
        let extra = names(found.difference(&wanted).copied().collect());
        let missing = names(wanted.difference(&found).copied().collect());
        for (list, what) in [
            (extra, "targets has layers that the adapter has not"),
            (missing, "targets lacks layers of the adapter"),
        ] {
            if !list.is_empty() {
                differences.push(format!("{what}: {list}"));
            }
        }
        // Every pattern has matched at least one of the layers, or the run could not have begun.
        if given.mode == AdaptMode::Dora {
            let config = self.adapter.config();
            for (path, found) in layers.iter().zip(given.plan().configs(layers)?) {
                let (Some(module), Some(found)) = (self.modules.get(path), found) else {
                    continue;
                };
                let (rank, alpha) = (config.rank_of(module), config.alpha_of(module));
                if found.rank != rank {
                    let found = found.rank;
                    differences.push(format!("rank of {path} is {found}, the adapter's {rank}"));
                }
                if found.alpha != alpha {
                    let found = found.alpha;
                    differences.push(format!("alpha of {path} is {found}, the adapter's {alpha}"));
                }
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(CliError::input(
            format!(
                "[adapt] of the configuration is not that of the adapter in {}: {}.\n\nThis \
                 would be:\n\n{}\nin its place",
                self.path.display(),
                differences.join("; "),
                text(&fitting)?
            ),
            "Leave the section out to have it filled in so",
        ))
    }
}

/// A value as a configuration has it.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a configuration is plain data");
    value.to_string()
}

fn text(section: &AdaptConfig) -> Result<String, CliError> {
    #[derive(Serialize)]
    struct File<'a> {
        adapt: &'a AdaptConfig,
    }
    toml::to_string_pretty(&File { adapt: section }).map_err(|error| {
        CliError::input(
            format!("the adapter's settings cannot be written as TOML: {error}"),
            "Save the adapter again with PEFT",
        )
    })
}
