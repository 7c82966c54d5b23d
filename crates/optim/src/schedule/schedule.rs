//! A learning-rate schedule.

use core::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::{
    OptimError,
    values::{invalid, positive},
};

/// A learning-rate schedule with everything known: the factor on the base rate
/// as a pure function of the position.
///
/// Positions and lengths are in ticks; whether a tick is an optimizer step or an
/// epoch is the caller's. Position 0 is the first tick. Serialised with the
/// variant in `kind` (snake case); every field is required.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Always 1.
    // Braces, because serde lets unknown fields of a unit variant pass.
    Constant {},
    /// `min(1, (t + 1) / (warmup + 1))`: `warmup` ticks below the full rate, the
    /// first above 0. PyTorch's `LinearLR(start_factor=1/(warmup+1),
    /// total_iters=warmup)`.
    LinearWarmup {
        /// Ticks before the full rate; 0 for none.
        warmup: u64,
    },
    /// `min_factor + (1 - min_factor) * (1 + cos(pi * t / total)) / 2`, and
    /// `min_factor` from `total` on (Loshchilov and Hutter, "SGDR", ICLR 2017,
    /// without restarts; PyTorch's `CosineAnnealingLR(T_max=total)`, which would
    /// rise again after `total`).
    Cosine {
        /// Ticks until `min_factor`, at least 1.
        total: u64,
        /// The last factor, in [0, 1].
        min_factor: f64,
    },
    /// [`Schedule::LinearWarmup`] for `warmup` ticks, then [`Schedule::Cosine`]
    /// over the remaining `total - warmup`. PyTorch's `SequentialLR` of both
    /// with the milestone `warmup`.
    WarmupCosine {
        /// Ticks of warm-up, less than `total`.
        warmup: u64,
        /// Ticks until `min_factor`, warm-up included.
        total: u64,
        /// The last factor, in [0, 1].
        min_factor: f64,
    },
    /// `gamma ^ floor(t / every)`, PyTorch's `StepLR`.
    Step {
        /// Ticks between two multiplications, at least 1.
        every: u64,
        /// The multiplier, > 0.
        gamma: f64,
    },
    /// `gamma ^ t`, PyTorch's `ExponentialLR`.
    Exponential {
        /// The multiplier, > 0.
        gamma: f64,
    },
}

impl Schedule {
    /// Checks every value.
    ///
    /// # Errors
    /// [`OptimError::InvalidValue`] names the first key out of the range its
    /// documentation states.
    pub fn validate(&self) -> Result<(), OptimError> {
        match *self {
            Self::Constant {} | Self::LinearWarmup { .. } => Ok(()),
            Self::Cosine { total, min_factor } => {
                at_least_one("scheduler.total", total)?;
                fraction("scheduler.min_factor", min_factor)
            }
            Self::WarmupCosine {
                warmup,
                total,
                min_factor,
            } => {
                at_least_one("scheduler.total", total)?;
                if warmup >= total {
                    return Err(invalid(
                        "scheduler.warmup",
                        &format!("fewer ticks than the schedule's total of {total}"),
                        warmup,
                    ));
                }
                fraction("scheduler.min_factor", min_factor)
            }
            Self::Step { every, gamma } => {
                at_least_one("scheduler.every", every)?;
                positive("scheduler.gamma", gamma)
            }
            Self::Exponential { gamma } => positive("scheduler.gamma", gamma),
        }
    }

    /// The factor on the base learning rate at a position, in ticks from 0.
    pub fn factor(&self, position: u64) -> f64 {
        match *self {
            Self::Constant {} => 1.0,
            Self::LinearWarmup { warmup } => linear(position, warmup),
            Self::Cosine { total, min_factor } => cosine(position, total, min_factor),
            Self::WarmupCosine {
                warmup,
                total,
                min_factor,
            } => match position.checked_sub(warmup) {
                None => linear(position, warmup),
                Some(after) => cosine(after, total.saturating_sub(warmup), min_factor),
            },
            Self::Step { every, gamma } => libm::pow(gamma, (position / every.max(1)) as f64),
            Self::Exponential { gamma } => libm::pow(gamma, position as f64),
        }
    }

    /// Refuses `self` unless it equals `recorded`.
    pub(crate) fn check_same_as(&self, recorded: &Self) -> Result<(), OptimError> {
        let (was, now) = (recorded.leaves(), self.leaves());
        match was.iter().zip(&now).find(|(was, now)| was != now) {
            None => Ok(()),
            Some(((key, expected), (_, found))) => Err(OptimError::ConfigMismatch {
                key: format!("scheduler.{key}"),
                expected: expected.clone(),
                found: found.clone(),
            }),
        }
    }

    /// Every key with its value; the kind first, so that two lists of the same
    /// kind align.
    fn leaves(&self) -> Vec<(&'static str, String)> {
        match *self {
            Self::Constant {} => vec![("kind", "constant".to_string())],
            Self::LinearWarmup { warmup } => vec![
                ("kind", "linear_warmup".to_string()),
                ("warmup", warmup.to_string()),
            ],
            Self::Cosine { total, min_factor } => vec![
                ("kind", "cosine".to_string()),
                ("total", total.to_string()),
                ("min_factor", format!("{min_factor:?}")),
            ],
            Self::WarmupCosine {
                warmup,
                total,
                min_factor,
            } => vec![
                ("kind", "warmup_cosine".to_string()),
                ("warmup", warmup.to_string()),
                ("total", total.to_string()),
                ("min_factor", format!("{min_factor:?}")),
            ],
            Self::Step { every, gamma } => vec![
                ("kind", "step".to_string()),
                ("every", every.to_string()),
                ("gamma", format!("{gamma:?}")),
            ],
            Self::Exponential { gamma } => vec![
                ("kind", "exponential".to_string()),
                ("gamma", format!("{gamma:?}")),
            ],
        }
    }
}

fn linear(position: u64, warmup: u64) -> f64 {
    if position >= warmup {
        1.0
    } else {
        (position as f64 + 1.0) / (warmup as f64 + 1.0)
    }
}

fn cosine(position: u64, total: u64, min_factor: f64) -> f64 {
    if position >= total {
        return min_factor;
    }
    let angle = PI * position as f64 / total as f64;
    min_factor + (1.0 - min_factor) * (1.0 + libm::cos(angle)) / 2.0
}

pub(crate) fn at_least_one(key: &str, value: u64) -> Result<(), OptimError> {
    if value >= 1 {
        Ok(())
    } else {
        Err(invalid(key, "at least 1 tick", value))
    }
}

fn fraction(key: &str, value: f64) -> Result<(), OptimError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(invalid(key, "a number in [0, 1]", value))
    }
}
