/// How the backward pass treats the norm of V.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormGradient {
    /// As a constant (`Peft`; section 4.3 of the paper).
    Detached,
    /// As the function of A and B that it is (`ClipHba`).
    Full,
}
