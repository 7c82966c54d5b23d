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

/// A key's value: the one written, or the default where keys may be left out.
fn value<T, E: Error>(
    name: &'static str,
    written: Option<T>,
    default: T,
    complete: bool,
) -> Result<T, E> {
    match (written, complete) {
        (Some(value), _) => Ok(value),
        (None, false) => Ok(default),
        (None, true) => Err(E::missing_field(name)),
    }
}

/// Refuses the keys of the other optimizer that are written.
fn refuse<E: Error>(
    keys: &[(&'static str, bool)],
    known: &'static [&'static str],
) -> Result<(), E> {
    match keys.iter().find(|(_, written)| *written) {
        Some((name, _)) => Err(E::unknown_field(name, known)),
        None => Ok(()),
    }
}

const ADAMW: &[&str] = &[
    "kind",
    "lr",
    "beta1",
    "beta2",
    "eps",
    "weight_decay",
    "amsgrad",
    "clip_norm",
    "clip_value",
    "groups",
];
const SGD: &[&str] = &[
    "kind",
    "lr",
    "momentum",
    "dampening",
    "nesterov",
    "weight_decay",
    "clip_norm",
    "clip_value",
    "groups",
];

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
        refuse(
            &[
                ("momentum", self.momentum.is_some()),
                ("dampening", self.dampening.is_some()),
                ("nesterov", self.nesterov.is_some()),
            ],
            ADAMW,
        )?;
        let default = AdamWConfig::default();
        let groups = value("groups", self.groups, Vec::new(), complete)?;
        Ok(AdamWConfig {
            lr: value("lr", self.lr, default.lr, complete)?,
            beta1: value("beta1", self.beta1, default.beta1, complete)?,
            beta2: value("beta2", self.beta2, default.beta2, complete)?,
            eps: value("eps", self.eps, default.eps, complete)?,
            weight_decay: value(
                "weight_decay",
                self.weight_decay,
                default.weight_decay,
                complete,
            )?,
            amsgrad: value("amsgrad", self.amsgrad, default.amsgrad, complete)?,
            clip_norm: value("clip_norm", self.clip_norm, None, complete)?,
            clip_value: value("clip_value", self.clip_value, None, complete)?,
            groups: groups
                .into_iter()
                .map(|group| group.into_adamw(complete))
                .collect::<Result<_, E>>()?,
        })
    }

    fn into_sgd<E: Error>(self, complete: bool) -> Result<SgdConfig, E> {
        refuse(
            &[
                ("beta1", self.beta1.is_some()),
                ("beta2", self.beta2.is_some()),
                ("eps", self.eps.is_some()),
                ("amsgrad", self.amsgrad.is_some()),
            ],
            SGD,
        )?;
        let default = SgdConfig::default();
        let groups = value("groups", self.groups, Vec::new(), complete)?;
        Ok(SgdConfig {
            lr: value("lr", self.lr, default.lr, complete)?,
            momentum: value("momentum", self.momentum, default.momentum, complete)?,
            dampening: value("dampening", self.dampening, default.dampening, complete)?,
            nesterov: value("nesterov", self.nesterov, default.nesterov, complete)?,
            weight_decay: value(
                "weight_decay",
                self.weight_decay,
                default.weight_decay,
                complete,
            )?,
            clip_norm: value("clip_norm", self.clip_norm, None, complete)?,
            clip_value: value("clip_value", self.clip_value, None, complete)?,
            groups: groups
                .into_iter()
                .map(|group| group.into_sgd(complete))
                .collect::<Result<_, E>>()?,
        })
    }
}

impl WrittenGroup {
    fn into_adamw<E: Error>(self, complete: bool) -> Result<ParamGroup, E> {
        refuse(
            &[
                ("momentum", self.momentum.is_some()),
                ("dampening", self.dampening.is_some()),
                ("nesterov", self.nesterov.is_some()),
            ],
            &[
                "pattern",
                "lr",
                "beta1",
                "beta2",
                "eps",
                "weight_decay",
                "amsgrad",
            ],
        )?;
        Ok(ParamGroup {
            pattern: self.pattern,
            lr: value("lr", self.lr, None, complete)?,
            beta1: value("beta1", self.beta1, None, complete)?,
            beta2: value("beta2", self.beta2, None, complete)?,
            eps: value("eps", self.eps, None, complete)?,
            weight_decay: value("weight_decay", self.weight_decay, None, complete)?,
            amsgrad: value("amsgrad", self.amsgrad, None, complete)?,
        })
    }

    fn into_sgd<E: Error>(self, complete: bool) -> Result<SgdGroup, E> {
        refuse(
            &[
                ("beta1", self.beta1.is_some()),
                ("beta2", self.beta2.is_some()),
                ("eps", self.eps.is_some()),
                ("amsgrad", self.amsgrad.is_some()),
            ],
            &[
                "pattern",
                "lr",
                "momentum",
                "dampening",
                "nesterov",
                "weight_decay",
            ],
        )?;
        Ok(SgdGroup {
            pattern: self.pattern,
            lr: value("lr", self.lr, None, complete)?,
            momentum: value("momentum", self.momentum, None, complete)?,
            dampening: value("dampening", self.dampening, None, complete)?,
            nesterov: value("nesterov", self.nesterov, None, complete)?,
            weight_decay: value("weight_decay", self.weight_decay, None, complete)?,
        })
    }
}
