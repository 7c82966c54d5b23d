use std::path::{Path, PathBuf};

use dacapo_trainer::PerturbationKind;
use serde::{Deserialize, Serialize};

use super::load::check_depth;
use crate::CliError;

/// A grid of branches: each point, with each perturbation, with each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    /// The run folder to branch off.
    pub baseline: PathBuf,
    /// The epochs after whose ends to branch off; each must be a kept checkpoint.
    pub at: Vec<u64>,
    /// What the branches do.
    pub kinds: Vec<PerturbationKind>,
    /// Seeds of the perturbations' draws.
    pub seeds: Vec<u64>,
    /// How long a perturbation lasts, in epochs.
    #[serde(default = "one")]
    pub length: u64,
    /// The factor on the learning rate, for the kind `learning-rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Settings that every branch changes, as `key=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

/// Nobody trains as many branches, and a small plan could name any number of them.
const MOST: usize = 100_000;

fn one() -> u64 {
    1
}

/// One branch of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPoint {
    /// The epoch.
    pub at: u64,
    /// The perturbation.
    pub kind: PerturbationKind,
    /// Its seed.
    pub seed: u64,
}

impl SweepPoint {
    /// The name of its folder.
    pub fn name(&self) -> String {
        format!(
            "epoch-{:04}-{}-seed-{}",
            self.at,
            self.kind.name(),
            self.seed
        )
    }
}

impl SweepPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// A file that is missing or no plan, an empty list, a value that is twice in one or out of
    /// range, more branches than anybody trains.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let next = "Correct the plan; `dacapo sweep --help` shows one";
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::input(
                format!("cannot read the plan {}: {error}", path.display()),
                "Check the path",
            )
        })?;
        check_depth(path, &text)?;
        let plan: Self = toml::from_str(&text).map_err(|error| {
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            CliError::input(format!("{}: {}", path.display(), lines.join(" ")), next)
        })?;
        let doubled = |list: &[String]| {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            sorted.windows(2).any(|pair| pair[0] == pair[1])
        };
        for (key, list) in [
            ("at", strings(&plan.at)),
            (
                "kinds",
                plan.kinds
                    .iter()
                    .map(|kind| kind.name().to_owned())
                    .collect(),
            ),
            ("seeds", strings(&plan.seeds)),
        ] {
            if list.is_empty() || doubled(&list) {
                return Err(CliError::input(
                    format!(
                        "{}: `{key}` = [{}] is empty or has a value twice",
                        path.display(),
                        list.join(", ")
                    ),
                    next,
                ));
            }
        }
        let branches = [plan.at.len(), plan.kinds.len(), plan.seeds.len()]
            .iter()
            .try_fold(1_usize, |product, len| product.checked_mul(*len));
        if branches.is_none_or(|branches| branches > MOST) {
            let (at, kinds, seeds) = (plan.at.len(), plan.kinds.len(), plan.seeds.len());
            return Err(CliError::input(
                format!(
                    "{}: {at} epochs, {kinds} kinds and {seeds} seeds are more than {MOST} branches",
                    path.display()
                ),
                "Make several plans of it",
            ));
        }
        if plan.length == 0 {
            return Err(CliError::input(
                format!("{}: `length` = 0 disturbs no epoch", path.display()),
                next,
            ));
        }
        if let Some(factor) = plan.factor
            && !(factor.is_finite() && factor >= 0.0)
        {
            return Err(CliError::input(
                format!(
                    "{}: `factor` = {factor}, where a finite number >= 0 is expected",
                    path.display()
                ),
                next,
            ));
        }
        let rate = plan.kinds.contains(&PerturbationKind::LearningRate);
        if rate != plan.factor.is_some() {
            return Err(CliError::input(
                format!(
                    "{}: `factor` belongs to the kind learning-rate, and that needs it",
                    path.display()
                ),
                next,
            ));
        }
        Ok(plan)
    }

    /// Every branch, in the order of the lists.
    pub fn points(&self) -> Vec<SweepPoint> {
        let mut points = Vec::new();
        for at in &self.at {
            for kind in &self.kinds {
                for seed in &self.seeds {
                    points.push(SweepPoint {
                        at: *at,
                        kind: *kind,
                        seed: *seed,
                    });
                }
            }
        }
        points
    }

    /// The factor for a kind of perturbation.
    pub fn factor_of(&self, kind: PerturbationKind) -> Option<f64> {
        self.factor
            .filter(|_| kind == PerturbationKind::LearningRate)
    }
}

fn strings(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(u64::to_string).collect()
}
