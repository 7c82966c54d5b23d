//! A configuration as it is written in a file or a record: which optimizer it is for is one of
//! its keys.
//!
//! In a file keys may be left out, because they have defaults. In a record a missing key would
//! be filled in silently, so there it is an error.

use serde::{Deserialize, Deserializer, de::Error};

use crate::{AdamWConfig, OptimizerConfig, OptimizerKind, ParamGroup, SgdConfig, SgdGroup};

/// Every key of any optimizer; `None` is absent.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    pub(crate) kind: Option<OptimizerKind>,
    lr: Option<f64>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    eps: Option<f64>,
    weight_decay: Option<f64>,
    amsgrad: Option<bool>,
    momentum: Option<f64>,
    dampening: Option<f64>,
    nesterov: Option<bool>,
    #[serde(deserialize_with = "given")]
    clip_norm: Option<Option<f64>>,
    #[serde(deserialize_with = "given")]
    clip_value: Option<Option<f64>>,
    groups: Option<Vec<WrittenGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGroup {
    pattern: String,
    #[serde(default, deserialize_with = "given")]
    lr: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    beta1: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    beta2: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    eps: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    weight_decay: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    amsgrad: Option<Option<bool>>,
    #[serde(default, deserialize_with = "given")]
    momentum: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    dampening: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    nesterov: Option<Option<bool>>,
}

/// A key that may be nil, unlike an absent one.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// An option that may be nil but not absent: a field with `deserialize_with` and no `default`
/// is required.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A recorded configuration of AdamW.
pub(crate) fn adamw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AdamWConfig, D::Error> {
    match Written::deserialize(deserializer)?.into_config(true)? {
        OptimizerConfig::AdamW(config) => Ok(config),
        OptimizerConfig::Sgd(_) => Err(D::Error::custom("expected AdamW's settings, found SGD's")),
    }
}

/// A recorded configuration of SGD.
pub(crate) fn sgd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SgdConfig, D::Error> {
    match Written::deserialize(deserializer)?.into_config(true)? {
        OptimizerConfig::Sgd(config) => Ok(config),
        OptimizerConfig::AdamW(_) => {
            Err(D::Error::custom("expected SGD's settings, found AdamW's"))
        }
    }
}

/// Where keys are looked up: in a configuration or one of its groups.
struct Place {
    /// What stands before a key in messages, such as `groups[0].`.
    prefix: String,
    /// Whether every key must be there.
    complete: bool,
}

impl Place {
    /// A key's value: the one written, or the default where keys may be left out.
    fn value<T, E: Error>(&self, name: &str, written: Option<T>, default: T) -> Result<T, E> {
        match (written, self.complete) {
            (Some(value), _) => Ok(value),
            (None, false) => Ok(default),
            // serde's own words, with the place.
            (None, true) => Err(E::custom(format!("missing field `{}{name}`", self.prefix))),
        }
    }

    /// Refuses the keys of the other optimizer that are written.
    fn refuse<E: Error>(&self, kind: &str, keys: &[(&str, bool)]) -> Result<(), E> {
        match keys.iter().find(|(_, written)| *written) {
            Some((name, _)) => Err(E::custom(format!(
                "unknown field `{}{name}`: {kind} has none",
                self.prefix
            ))),
            None => Ok(()),
        }
    }

    fn group(&self, index: usize) -> Self {
        Self {
            prefix: format!("groups[{index}]."),
            ..*self
        }
    }
}

impl Written {
    /// The configuration; `complete` if every key must be there.
    pub(crate) fn into_config<E: Error>(self, complete: bool) -> Result<OptimizerConfig, E> {
        match self.kind.unwrap_or_default() {
            OptimizerKind::AdamW => self.into_adamw(complete).map(OptimizerConfig::AdamW),
            OptimizerKind::Sgd => self.into_sgd(complete).map(OptimizerConfig::Sgd),
        }
    }

    /// SGD's configuration, whichever keys are left out.
    pub(crate) fn into_sgd_config<E: Error>(self) -> Result<SgdConfig, E> {
        match self.kind {
            Some(OptimizerKind::AdamW) => Err(E::custom("expected kind `sgd`, found `adamw`")),
            _ => self.into_sgd(false),
        }
    }

    fn into_adamw<E: Error>(self, complete: bool) -> Result<AdamWConfig, E> {
        let prefix = String::new();
        let at = Place { prefix, complete };
        at.refuse(
            "AdamW",
            &[
                ("momentum", self.momentum.is_some()),
                ("dampening", self.dampening.is_some()),
                ("nesterov", self.nesterov.is_some()),
            ],
        )?;
        let default = AdamWConfig::default();
        let groups = at.value("groups", self.groups, Vec::new())?;
        let groups = groups.into_iter().zip(0..);
        Ok(AdamWConfig {
            lr: at.value("lr", self.lr, default.lr)?,
            beta1: at.value("beta1", self.beta1, default.beta1)?,
            beta2: at.value("beta2", self.beta2, default.beta2)?,
            eps: at.value("eps", self.eps, default.eps)?,
            weight_decay: at.value("weight_decay", self.weight_decay, default.weight_decay)?,
            amsgrad: at.value("amsgrad", self.amsgrad, default.amsgrad)?,
            clip_norm: at.value("clip_norm", self.clip_norm, None)?,
            clip_value: at.value("clip_value", self.clip_value, None)?,
            groups: groups
                .map(|(group, index)| group.into_adamw(&at.group(index)))
                .collect::<Result<_, E>>()?,
        })
    }

    fn into_sgd<E: Error>(self, complete: bool) -> Result<SgdConfig, E> {
        let prefix = String::new();
        let at = Place { prefix, complete };
        at.refuse(
            "SGD",
            &[
                ("beta1", self.beta1.is_some()),
                ("beta2", self.beta2.is_some()),
                ("eps", self.eps.is_some()),
                ("amsgrad", self.amsgrad.is_some()),
            ],
        )?;
        let default = SgdConfig::default();
        let groups = at.value("groups", self.groups, Vec::new())?;
        let groups = groups.into_iter().zip(0..);
        Ok(SgdConfig {
            lr: at.value("lr", self.lr, default.lr)?,
            momentum: at.value("momentum", self.momentum, default.momentum)?,
            dampening: at.value("dampening", self.dampening, default.dampening)?,
            nesterov: at.value("nesterov", self.nesterov, default.nesterov)?,
            weight_decay: at.value("weight_decay", self.weight_decay, default.weight_decay)?,
            clip_norm: at.value("clip_norm", self.clip_norm, None)?,
            clip_value: at.value("clip_value", self.clip_value, None)?,
            groups: groups
                .map(|(group, index)| group.into_sgd(&at.group(index)))
                .collect::<Result<_, E>>()?,
        })
    }
}

impl WrittenGroup {
    fn into_adamw<E: Error>(self, at: &Place) -> Result<ParamGroup, E> {
        at.refuse(
            "AdamW",
            &[
                ("momentum", self.momentum.is_some()),
                ("dampening", self.dampening.is_some()),
                ("nesterov", self.nesterov.is_some()),
            ],
        )?;
        Ok(ParamGroup {
            pattern: self.pattern,
            lr: at.value("lr", self.lr, None)?,
            beta1: at.value("beta1", self.beta1, None)?,
            beta2: at.value("beta2", self.beta2, None)?,
            eps: at.value("eps", self.eps, None)?,
            weight_decay: at.value("weight_decay", self.weight_decay, None)?,
            amsgrad: at.value("amsgrad", self.amsgrad, None)?,
        })
    }

    fn into_sgd<E: Error>(self, at: &Place) -> Result<SgdGroup, E> {
        at.refuse(
            "SGD",
            &[
                ("beta1", self.beta1.is_some()),
                ("beta2", self.beta2.is_some()),
                ("eps", self.eps.is_some()),
                ("amsgrad", self.amsgrad.is_some()),
            ],
        )?;
        Ok(SgdGroup {
            pattern: self.pattern,
            lr: at.value("lr", self.lr, None)?,
            momentum: at.value("momentum", self.momentum, None)?,
            dampening: at.value("dampening", self.dampening, None)?,
            nesterov: at.value("nesterov", self.nesterov, None)?,
            weight_decay: at.value("weight_decay", self.weight_decay, None)?,
        })
    }
}
