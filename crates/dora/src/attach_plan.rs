use std::collections::BTreeMap;

use wildmatch::WildMatch;

use crate::{DoraConfig, DoraError};

/// Which layers get an adapter, and what each of them is like.
///
/// In a pattern `*` stands for any characters, dots included, and `?` for one:
/// `*.attn.out_proj`, `blocks.3.*`.
#[derive(Debug, Clone, PartialEq)]
pub struct AttachPlan {
    /// Patterns of the layers; a layer that several match is adapted once.
    pub targets: Vec<String>,
    /// What an adapter is like where no pattern says otherwise.
    pub config: DoraConfig,
    /// Other ranks, by pattern of the layers that have them (`rank_pattern` of
    /// Hugging Face PEFT, there with other patterns).
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise (`alpha_pattern`).
    pub alpha_pattern: BTreeMap<String, f64>,
}

impl AttachPlan {
    /// One kind of adapter on the layers that match `targets`.
    pub fn new(targets: &[impl AsRef<str>], config: &DoraConfig) -> Self {
        let targets = targets.iter().map(|target| target.as_ref().to_owned());
        Self {
            targets: targets.collect(),
            config: config.clone(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
        }
    }

    /// The same with another rank for the layers that match `pattern`.
    pub fn with_rank(mut self, pattern: &str, rank: usize) -> Self {
        self.rank_pattern.insert(pattern.to_owned(), rank);
        self
    }

    /// The same with another alpha for the layers that match `pattern`.
    pub fn with_alpha(mut self, pattern: &str, alpha: f64) -> Self {
        self.alpha_pattern.insert(pattern.to_owned(), alpha);
        self
    }

    /// What the adapter of each of `layers` is like, or none for a layer that gets none.
    ///
    /// # Errors
    /// An invalid [`DoraConfig`], [`DoraError::NoPattern`],
    /// [`DoraError::UnmatchedPattern`] for the first pattern that matches no layer or, of the ranks'
    /// and alphas', none that gets an adapter, and [`DoraError::AmbiguousPattern`] for a layer that
    /// two patterns give different values.
    pub fn configs(&self, layers: &[String]) -> Result<Vec<Option<DoraConfig>>, DoraError> {
        self.config.validate()?;
        if self.targets.is_empty() {
            return Err(DoraError::NoPattern {
                available: layers.to_vec(),
            });
        }
        let mut chosen = vec![false; layers.len()];
        for pattern in &self.targets {
            let matcher = WildMatch::new(pattern);
            let mut any = false;
            for (layer, chosen) in layers.iter().zip(&mut chosen) {
                let matches = matcher.matches(layer);
                *chosen |= matches;
                any |= matches;
            }
            if !any {
                return Err(unmatched(pattern, layers.iter()));
            }
        }
        let chosen = || {
            let layers = layers.iter().zip(&chosen);
            layers.map(|(layer, chosen)| chosen.then_some(layer))
        };
        let ranks = values("rank_pattern", &self.rank_pattern, chosen)?;
        let alphas = values("alpha_pattern", &self.alpha_pattern, chosen)?;
        let configs = chosen().zip(ranks).zip(alphas);
        let configs = configs.map(|((layer, rank), alpha)| {
            let config = layer.map(|_| DoraConfig {
                rank: rank.unwrap_or(self.config.rank),
                alpha: alpha.unwrap_or(self.config.alpha),
                ..self.config.clone()
            });
            config
                .map(|config| config.validate().map(|()| config))
                .transpose()
        });
        configs.collect()
    }
}

/// The value that `patterns` give each of the `layers`.
fn values<'a, T, I>(
    key: &'static str,
    patterns: &BTreeMap<String, T>,
    layers: impl Fn() -> I,
) -> Result<Vec<Option<T>>, DoraError>
where
    T: Copy + PartialEq,
    I: Iterator<Item = Option<&'a String>>,
{
    let mut found: Vec<Option<(&str, T)>> = layers().map(|_| None).collect();
    for (pattern, value) in patterns {
        let matcher = WildMatch::new(pattern);
        let mut any = false;
        for (layer, found) in layers().zip(&mut found) {
            let Some(layer) = layer.filter(|layer| matcher.matches(layer)) else {
                continue;
            };
            any = true;
            match found {
                Some((other, before)) if before != value => {
                    return Err(DoraError::AmbiguousPattern {
                        key,
                        path: layer.clone(),
                        patterns: [(*other).to_owned(), pattern.clone()],
                    });
                }
                _ => *found = Some((pattern, *value)),
            }
        }
        if !any {
            return Err(unmatched(pattern, layers().flatten()));
        }
    }
    Ok(found
        .into_iter()
        .map(|found| found.map(|(_, value)| value))
        .collect())
}

fn unmatched<'a>(pattern: &str, layers: impl Iterator<Item = &'a String>) -> DoraError {
    DoraError::UnmatchedPattern {
        pattern: pattern.to_owned(),
        available: layers.cloned().collect(),
    }
}
