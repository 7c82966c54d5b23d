/// How the two operands of a product lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// Both row-major: `x W`.
    Nn,
    /// The right one column-major: `dY W^T`.
    Nt,
    /// The left one column-major: `X^T dY`.
    Tn,
    /// Both column-major.
    Tt,
}

impl Layout {
    /// From whether either operand is column-major.
    pub fn new(lhs_transposed: bool, rhs_transposed: bool) -> Self {
        match (lhs_transposed, rhs_transposed) {
            (false, false) => Self::Nn,
            (false, true) => Self::Nt,
            (true, false) => Self::Tn,
            (true, true) => Self::Tt,
        }
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nn => "nn",
            Self::Nt => "nt",
            Self::Tn => "tn",
            Self::Tt => "tt",
        }
    }
}
