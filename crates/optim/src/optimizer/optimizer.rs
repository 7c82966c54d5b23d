//! The optimizer of a run.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    AdamW, AdamWState, OptimError, OptimizerConfig, OptimizerRecord, ParamSpec, PendingReport, Sgd,
    SgdState, StepReport,
};

/// Whichever optimizer a run is configured with, and its state.
#[derive(Debug, Clone)]
pub enum Optimizer<B: Backend> {
    /// AdamW.
    AdamW {
        /// The optimizer.
        adamw: AdamW,
        /// Its moments.
        state: AdamWState<B>,
    },
    /// SGD.
    Sgd {
        /// The optimizer.
        sgd: Sgd,
        /// Its momentum buffers.
        state: SgdState<B>,
    },
}

impl<B: Backend> Optimizer<B> {
    /// An optimizer in a fresh state for the parameters by path.
    ///
    /// # Errors
    /// Those of [`AdamW::new`] and [`AdamW::init`], [`Sgd::new`] and [`Sgd::init`].
    pub fn new(
        config: &OptimizerConfig,
        params: &BTreeMap<String, ParamSpec>,
        device: &B::Device,
    ) -> Result<Self, OptimError> {
        Ok(match config {
            OptimizerConfig::AdamW(config) => {
                let adamw = AdamW::new(config.clone())?;
                let state = adamw.init(params, device)?;
                Self::AdamW { adamw, state }
            }
            OptimizerConfig::Sgd(config) => {
                let sgd = Sgd::new(config.clone())?;
                let state = sgd.init(params)?;
                Self::Sgd { sgd, state }
            }
        })
    }

    /// One step of every parameter, whose new values it returns. After an error the state is
    /// what it was.
    ///
    /// # Errors
    /// Those of [`AdamW::step`] and [`Sgd::step`].
    #[allow(clippy::type_complexity)]
    pub fn step(
        &mut self,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<(BTreeMap<String, Tensor<B, 1>>, StepReport), OptimError> {
        let before = self.clone();
        let (params, report) = self.step_deferred(params, grads, lr_factor)?;
        match report.wait() {
            Ok(report) => Ok((params, report)),
            Err(error) => {
                *self = before;
                Err(error)
            }
        }
    }

    /// [`step`](Self::step) with a report that can be waited for later. The state is the new one at
    /// once: after an error of [`PendingReport::wait`] nothing can go on from it.
    ///
    /// # Errors
    /// Those of [`AdamW::step_deferred`] and [`Sgd::step_deferred`]; the state is what it was.
    #[allow(clippy::type_complexity)]
    pub fn step_deferred(
        &mut self,
        params: BTreeMap<String, Tensor<B, 1>>,
        grads: BTreeMap<String, Tensor<B, 1>>,
        lr_factor: f64,
    ) -> Result<(BTreeMap<String, Tensor<B, 1>>, PendingReport<B>), OptimError> {
        match self {
            Self::AdamW { adamw, state } => {
                let (params, after, report) =
                    adamw.step_deferred(state.clone(), params, grads, lr_factor)?;
                *state = after;
                Ok((params, report))
            }
            Self::Sgd { sgd, state } => {
                let (params, after, report) =
                    sgd.step_deferred(state.clone(), params, grads, lr_factor)?;
                *state = after;
                Ok((params, report))
            }
        }
    }

    /// Configuration and state as data, bit for bit.
    ///
    /// # Errors
    /// [`OptimError::Device`] if the tensors cannot be read.
    pub fn to_record(&self) -> Result<OptimizerRecord, OptimError> {
        Ok(match self {
            Self::AdamW { adamw, state } => OptimizerRecord::AdamW(state.to_record(adamw)?),
            Self::Sgd { sgd, state } => OptimizerRecord::Sgd(state.to_record(sgd)?),
        })
    }

    /// The optimizer a record holds, for a model that has the `expected` parameters and a run
    /// that is configured with `config`.
    ///
    /// # Errors
    /// Fails closed: another optimizer, and whatever [`AdamWState::from_record`] and
    /// [`SgdState::from_record`] refuse.
    pub fn from_record(
        record: &OptimizerRecord,
        expected: &BTreeMap<String, ParamSpec>,
        config: &OptimizerConfig,
        device: &B::Device,
    ) -> Result<Self, OptimError> {
        Ok(match config {
            OptimizerConfig::AdamW(config) => Self::AdamW {
                adamw: AdamW::new(config.clone())?,
                state: AdamWState::from_record(record.adamw()?, expected, config, device)?,
            },
            OptimizerConfig::Sgd(config) => Self::Sgd {
                sgd: Sgd::new(config.clone())?,
                state: SgdState::from_record(record.sgd()?, expected, config, device)?,
            },
        })
    }
}
