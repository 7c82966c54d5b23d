//! Configuration of the optimizer.

use serde::{Deserialize, Serialize};

use crate::{
    OptimError, ParamGroup,
    values::{invalid, non_negative, optional, pattern, positive, same_leaves, text},
};

/// Hyper-parameters of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization", ICLR 2019), with the defaults of `torch.optim.AdamW`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Base learning rate, before the schedule's factor. Default 1e-3.
    pub lr: f64,
    /// Decay rate of the first moment. Default 0.9.
    pub beta1: f64,
    /// Decay rate of the second moment. Default 0.999.
    pub beta2: f64,
    /// Added to the denominator. Default 1e-8.
    pub eps: f64,
    /// Decoupled weight decay, multiplied by the learning rate. Default 1e-2.
    pub weight_decay: f64,
    /// Whether the running maximum of the second moment is used (Reddi et al.,
    /// "On the Convergence of Adam and Beyond", ICLR 2018). Default false.
    pub amsgrad: bool,
    /// Largest L2 norm of all gradients together; larger ones are scaled down
    /// as `torch.nn.utils.clip_grad_norm_` does. Default: no limit.
    pub clip_norm: Option<f64>,
    /// Largest magnitude of a gradient's element, applied before `clip_norm`.
    /// Default: no limit.
    pub clip_value: Option<f64>,
    /// Overrides by parameter path. Default: none.
    pub groups: Vec<ParamGroup>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 1e-2,
            amsgrad: false,
            clip_norm: None,
            clip_value: None,
            groups: Vec::new(),
        }
    }
}

impl AdamWConfig {
    /// The defaults at another learning rate.
    pub fn with_lr(lr: f64) -> Self {
        Self {
            lr,
            ..Self::default()
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`OptimError::InvalidValue`] names the first key out of range: `lr` and
    /// `weight_decay` are finite and >= 0, the betas are in [0, 1), `eps` and
    /// the clips are finite and > 0 (unlike PyTorch, which lets `eps = 0` turn
    /// a zero gradient into NaN), and a pattern is not empty.
    pub fn validate(&self) -> Result<(), OptimError> {
        non_negative("lr", self.lr)?;
        beta("beta1", self.beta1)?;
        beta("beta2", self.beta2)?;
        positive("eps", self.eps)?;
        non_negative("weight_decay", self.weight_decay)?;
        optional("clip_norm", self.clip_norm, positive)?;
        optional("clip_value", self.clip_value, positive)?;
        for (index, group) in self.groups.iter().enumerate() {
            let key = |name: &str| format!("groups[{index}].{name}");
            pattern(index, &group.pattern)?;
            optional(&key("lr"), group.lr, non_negative)?;
            optional(&key("beta1"), group.beta1, beta)?;
            optional(&key("beta2"), group.beta2, beta)?;
            optional(&key("eps"), group.eps, positive)?;
            optional(&key("weight_decay"), group.weight_decay, non_negative)?;
        }
        Ok(())
    }

    /// Refuses `self` unless it equals `recorded`, naming the first key that
    /// differs. Numbers are compared by their bits.
    pub(crate) fn check_same_as(&self, recorded: &Self) -> Result<(), OptimError> {
        same_leaves(&recorded.leaves(), &self.leaves())
    }

    /// Every key with its value written so that equal text means equal bits.
    fn leaves(&self) -> Vec<(String, String)> {
        // Destructured, so that a new field cannot be forgotten here.
        let Self {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
            clip_norm,
            clip_value,
            groups,
        } = self;
        let mut leaves = vec![
            ("lr".to_string(), format!("{lr:?}")),
            ("beta1".to_string(), format!("{beta1:?}")),
            ("beta2".to_string(), format!("{beta2:?}")),
            ("eps".to_string(), format!("{eps:?}")),
            ("weight_decay".to_string(), format!("{weight_decay:?}")),
            ("amsgrad".to_string(), format!("{amsgrad:?}")),
            ("clip_norm".to_string(), text(clip_norm)),
            ("clip_value".to_string(), text(clip_value)),
            ("groups".to_string(), format!("{} groups", groups.len())),
        ];
        for (index, group) in groups.iter().enumerate() {
            let ParamGroup {
                pattern,
                lr,
                beta1,
                beta2,
                eps,
                weight_decay,
                amsgrad,
            } = group;
            let mut push =
                |name: &str, value: String| leaves.push((format!("groups[{index}].{name}"), value));
            push("pattern", format!("{pattern:?}"));
            push("lr", text(lr));
            push("beta1", text(beta1));
            push("beta2", text(beta2));
            push("eps", text(eps));
            push("weight_decay", text(weight_decay));
            push("amsgrad", text(amsgrad));
        }
        leaves
    }
}

fn beta(key: &str, value: f64) -> Result<(), OptimError> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(invalid(key, "a number in [0, 1)", value))
    }
}
