/// What operands are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Nothing: f32.
    Exact,
    /// TF32: 10 bits after the point, ties away from zero.
    Tf32,
    /// bf16, ties to even.
    Bf16,
}

impl Rounding {
    /// The macro `ROUND` of the sources.
    pub(super) fn define(self) -> (&'static str, u32) {
        let round = match self {
            Self::Exact => 0,
            Self::Tf32 => 1,
            Self::Bf16 => 2,
        };
        ("ROUND", round)
    }
}
