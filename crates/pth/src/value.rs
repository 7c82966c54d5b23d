use std::sync::Arc;

use crate::{Dict, NumpyArray, Tensor};

/// What a pickle of plain values, tensors and arrays says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer. Python's have no limit; longer ones are refused.
    Int(i128),
    /// A float.
    Float(f64),
    /// A string.
    Str(Arc<str>),
    /// A byte string.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict, an OrderedDict, a Counter, or the attributes of a TorchScript object.
    Dict(Dict),
    /// A tensor or a parameter.
    Tensor(Tensor),
    /// An array of numpy.
    NumpyArray(NumpyArray),
}

impl Value {
    /// For messages: "a list".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bytes(_) => "a byte string",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dict",
            Self::Tensor(_) => "a tensor",
            Self::NumpyArray(_) => "a numpy array",
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<Dict> for Value {
    fn from(value: Dict) -> Self {
        Self::Dict(value)
    }
}

impl From<Tensor> for Value {
    fn from(value: Tensor) -> Self {
        Self::Tensor(value)
    }
}
