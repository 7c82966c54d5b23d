//! Hyper-parameters of one parameter.

/// SGD's hyper-parameters in force for one parameter, after its group is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdHyper {
    /// Base learning rate, before the schedule's factor.
    pub lr: f64,
    /// Factor on the momentum buffer.
    pub momentum: f64,
    /// What is taken off the gradient that goes into the buffer.
    pub dampening: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
    /// Added to the gradient, times the parameter (L2; not decoupled).
    pub weight_decay: f64,
}
