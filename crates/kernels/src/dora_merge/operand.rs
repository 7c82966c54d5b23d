use super::{Products, Storage};

/// How the f32 values of one operand of a matrix instruction become tf32, which
/// has 10 bits of mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operand {
    /// They are tf32 as they are, as all values of 16-bit storage are.
    Exact,
    /// Rounded to the nearest.
    Rounded,
    /// As the sum of two: the nearest, and what is left of the value.
    Split,
}

impl Operand {
    /// Of values that are f32.
    pub fn computed(products: Products) -> Self {
        match products {
            Products::F32 => Self::Split,
            Products::Tf32 => Self::Rounded,
        }
    }

    /// Of values as they are stored.
    pub fn stored(storage: Storage, products: Products) -> Self {
        match storage {
            Storage::F32 => Self::computed(products),
            Storage::Bf16 | Storage::F16 => Self::Exact,
        }
    }
}
