use std::fmt;
use std::sync::Arc;

/// The key of a [`Dict`](crate::Dict): what Python can hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A float, by its bits.
    Float(u64),
    /// A string.
    Str(Arc<str>),
    /// A byte string.
    Bytes(Arc<[u8]>),
    /// A tuple.
    Tuple(Arc<[Key]>),
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::Str(key.into())
    }
}

impl From<i32> for Key {
    fn from(key: i32) -> Self {
        Self::Int(key.into())
    }
}

impl From<i64> for Key {
    fn from(key: i64) -> Self {
        Self::Int(key.into())
    }
}

/// As Python writes it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(key) => write!(f, "{key}"),
            Self::Float(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Str(key) => write!(f, "{key:?}"),
            Self::Bytes(key) => write!(f, "b\"{}\"", key.escape_ascii()),
            Self::Tuple(keys) => {
                f.write_str("(")?;
                for key in keys.iter() {
                    write!(f, "{key}, ")?;
                }
                f.write_str(")")
            }
        }
    }
}
