/// How the low-rank products are computed. Sums are f32 in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Products {
    /// To f32's accuracy: on tensor cores each factor is split into two tf32
    /// and three products are summed (as in Ootomo and Yokota, "Recovering
    /// single precision accuracy from Tensor Cores", 2022, without their scaling);
    /// without tensor cores by fused multiply-adds.
    F32,
    /// Factors rounded to tf32 (10 bits of mantissa) where there are tensor
    /// cores; like `F32` elsewhere.
    Tf32,
}
