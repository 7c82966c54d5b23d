/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivationKind {
    /// The exact one, with `erf`.
    Gelu,
    /// x sigmoid(1.702 x).
    QuickGelu,
}
