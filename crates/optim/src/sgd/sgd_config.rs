//! Configuration of SGD.

use serde::{Deserialize, Serialize};

use crate::{
    OptimError, OptimizerKind, SgdGroup, SgdHyper,
    values::{invalid, non_negative, optional, pattern, positive, same_leaves, text},
    written::Written,
};

/// Hyper-parameters of stochastic gradient descent with momentum (Sutskever et al., "On the
/// importance of initialization and momentum in deep learning", ICML 2013), with the names and
/// defaults of `torch.optim.SGD`.
///
/// Written with the key `kind = "sgd"`, by which a file tells it from AdamW.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, default, transform = crate::schema::with_sgd)
)]
pub struct SgdConfig {
    /// Base learning rate, before the schedule's factor. Default 1e-3.
    pub lr: f64,
    /// Factor on the momentum buffer. Default 0, which keeps no buffer.
    pub momentum: f64,
    /// What is taken off the gradient that goes into the buffer. Default 0.
    pub dampening: f64,
    /// Whether the step looks ahead. Default false.
    pub nesterov: bool,
    /// Added to the gradient, times the parameter (L2; not decoupled). Default 0.
    pub weight_decay: f64,
    /// Largest L2 norm of all gradients together; larger ones are scaled down
    /// as `torch.nn.utils.clip_grad_norm_` does. Default: no limit.
    pub clip_norm: Option<f64>,
    /// Largest magnitude of a gradient's element, applied before `clip_norm`.
    /// Default: no limit.
    pub clip_value: Option<f64>,
    /// Overrides by parameter path. Default: none.
    pub groups: Vec<SgdGroup>,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            clip_norm: None,
            clip_value: None,
            groups: Vec::new(),
        }
    }
}

impl Serialize for SgdConfig {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Keys<'a> {
            kind: OptimizerKind,
            lr: f64,
            momentum: f64,
            dampening: f64,
            nesterov: bool,
            weight_decay: f64,
            clip_norm: Option<f64>,
            clip_value: Option<f64>,
            groups: &'a [SgdGroup],
        }
        // Destructured, so that a new field cannot be forgotten here.
        let Self {
            lr,
            momentum,
            dampening,
            nesterov,
            weight_decay,
            clip_norm,
            clip_value,
            groups,
        } = self;
        Keys {
            kind: OptimizerKind::Sgd,
            lr: *lr,
            momentum: *momentum,
            dampening: *dampening,
            nesterov: *nesterov,
            weight_decay: *weight_decay,
            clip_norm: *clip_norm,
            clip_value: *clip_value,
            groups,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SgdConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.into_sgd_config()
    }
}

impl SgdConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`OptimError::InvalidValue`] names the first key out of range: `lr`, `momentum` and
    /// `weight_decay` are finite and >= 0, `dampening` is finite, the clips are finite and > 0,
    /// `nesterov` needs a momentum above 0 and no dampening, and a pattern is not empty.
    pub fn validate(&self) -> Result<(), OptimError> {
        optional("clip_norm", self.clip_norm, positive)?;
        optional("clip_value", self.clip_value, positive)?;
        check("", &self.hyper(None))?;
        for (index, group) in self.groups.iter().enumerate() {
            pattern(index, &group.pattern)?;
            check(&format!("groups[{index}]."), &self.hyper(Some(group)))?;
        }
        Ok(())
    }

    /// What is in force in a group, or outside of all.
    pub(crate) fn hyper(&self, group: Option<&SgdGroup>) -> SgdHyper {
        let none = SgdGroup::default();
        let group = group.unwrap_or(&none);
        SgdHyper {
            lr: group.lr.unwrap_or(self.lr),
            momentum: group.momentum.unwrap_or(self.momentum),
            dampening: group.dampening.unwrap_or(self.dampening),
            nesterov: group.nesterov.unwrap_or(self.nesterov),
            weight_decay: group.weight_decay.unwrap_or(self.weight_decay),
        }
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
            momentum,
            dampening,
            nesterov,
            weight_decay,
            clip_norm,
            clip_value,
            groups,
        } = self;
        let mut leaves = vec![
            ("lr".to_string(), format!("{lr:?}")),
            ("momentum".to_string(), format!("{momentum:?}")),
            ("dampening".to_string(), format!("{dampening:?}")),
            ("nesterov".to_string(), format!("{nesterov:?}")),
            ("weight_decay".to_string(), format!("{weight_decay:?}")),
            ("clip_norm".to_string(), text(clip_norm)),
            ("clip_value".to_string(), text(clip_value)),
            ("groups".to_string(), format!("{} groups", groups.len())),
        ];
        for (index, group) in groups.iter().enumerate() {
            let SgdGroup {
                pattern,
                lr,
                momentum,
                dampening,
                nesterov,
                weight_decay,
            } = group;
            let mut push =
                |name: &str, value: String| leaves.push((format!("groups[{index}].{name}"), value));
            push("pattern", format!("{pattern:?}"));
            push("lr", text(lr));
            push("momentum", text(momentum));
            push("dampening", text(dampening));
            push("nesterov", text(nesterov));
            push("weight_decay", text(weight_decay));
        }
        leaves
    }
}

fn check(prefix: &str, hyper: &SgdHyper) -> Result<(), OptimError> {
    let key = |name: &str| format!("{prefix}{name}");
    non_negative(&key("lr"), hyper.lr)?;
    non_negative(&key("momentum"), hyper.momentum)?;
    non_negative(&key("weight_decay"), hyper.weight_decay)?;
    if !hyper.dampening.is_finite() {
        return Err(invalid(
            &key("dampening"),
            "a finite number",
            hyper.dampening,
        ));
    }
    if hyper.nesterov && (hyper.momentum == 0.0 || hyper.dampening != 0.0) {
        return Err(invalid(
            &key("nesterov"),
            "false, or a momentum above 0 and a dampening of 0",
            format!(
                "true with momentum {} and dampening {}",
                hyper.momentum, hyper.dampening
            ),
        ));
    }
    Ok(())
}
