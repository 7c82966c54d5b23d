use super::StateTensors;

/// [`AdamWStep`](super::AdamWStep) as a backend stores its tensors.
#[derive(Clone, Debug)]
pub(crate) struct StepTensors<T> {
    pub(crate) state: StateTensors<T>,
    pub(crate) grad: T,
    pub(crate) lr: f64,
    pub(crate) betas: [f64; 2],
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    pub(crate) step: u64,
}
