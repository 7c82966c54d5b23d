use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How the elements of f32 matrices are multiplied. Products are added up in f32 always, and
/// everything that is not a matrix product is f32 as ever.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE f32: multiply and add, no tensor cores.
    #[default]
    F32,
    /// Operands rounded to TF32 (8 bits of exponent, 10 of fraction) on tensor cores.
    Tf32,
    /// Operands rounded to bf16 (8 bits of exponent, 7 of fraction, to nearest even).
    Bf16,
}

impl Precision {
    /// Every precision, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Tf32, Self::Bf16];

    /// As configurations and identities write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| format!("{text:?} is no precision; use f32, tf32 or bf16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_misread() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        for wrong in ["", "F32", "fp32", "f16"] {
            assert!(wrong.parse::<Precision>().is_err(), "{wrong}");
        }
        assert_eq!(Precision::default(), Precision::F32);
    }
}
