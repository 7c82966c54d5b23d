//! What a step reports.

/// Figures of one optimizer step, for logs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// L2 norm over all gradients together, after `clip_value` and before
    /// `clip_norm`: what `torch.nn.utils.clip_grad_norm_` returns.
    pub grad_norm: f64,
    /// Whether `clip_value` changed an element or `clip_norm` scaled the
    /// gradients.
    pub clipped: bool,
}
