//! Hyper-parameters of one parameter.

/// The hyper-parameters in force for one parameter, after its group is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Base learning rate, before the schedule's factor.
    pub lr: f64,
    /// Decay rate of the first moment, in [0, 1).
    pub beta1: f64,
    /// Decay rate of the second moment, in [0, 1).
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay; multiplied by the learning rate in force.
    pub weight_decay: f64,
    /// Whether the running maximum of the second moment is used.
    pub amsgrad: bool,
}
