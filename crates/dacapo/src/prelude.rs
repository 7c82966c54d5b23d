//! What most programs that train a model of their own need by name: `use dacapo::prelude::*;`.
//!
//! With [`burn`], whose derives write paths that begin with that name.

pub use burn::{
    self,
    module::Module,
    tensor::{Tensor, TensorData, activation, backend::Backend},
};
pub use burn_flex::{Flex, FlexDevice};
pub use dacapo_dora::{AttachPlan, DoraConfig, DoraLinear, DoraTargets, attach};
pub use dacapo_optim::AdamWConfig;
pub use dacapo_rng::{DropoutKey, RngHub, Stream};
pub use dacapo_trainer::{
    CheckpointPolicy, RunFolder, STREAMS, StepContext, Task, TaskError, TrainerSettings, run,
};

pub use crate::{
    compute::Cpu,
    regression::{Predict, Regression},
    run_parts,
};
