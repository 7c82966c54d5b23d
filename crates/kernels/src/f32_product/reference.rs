//! The same in plain host code.

/// The product `[m, n]` of `lhs` `[m, k]` and `rhs` `[k, n]`, each element one chain of fused
/// multiply-adds along k: the kernel's bits.
pub fn f32_product(lhs: &[f32], rhs: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for at in 0..k {
                sum = libm::fmaf(lhs[i * k + at], rhs[at * n + j], sum);
            }
            out.push(sum);
        }
    }
    out
}
