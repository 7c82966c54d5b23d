//! The products that are timed: those of a ViT-L/14 training step at batch 64,
//! and small ones.

/// Which operand is a transposed view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[m, k] x [k, n]`, both row-major: a forward pass, `x W`.
    Nn,
    /// The right operand is the view of a row-major `[n, k]`: `dX = dY W^T`.
    Nt,
    /// The left operand is the view of a row-major `[k, m]`: `dW = X^T dY`.
    Tn,
}

impl Layout {
    /// As written in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nn => "nn",
            Self::Nt => "nt",
            Self::Tn => "tn",
        }
    }
}

/// One product of matrices, `batch` times.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Where it occurs.
    pub name: &'static str,
    /// Which operand is transposed.
    pub layout: Layout,
    /// Independent products of this size.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// The dimension summed over.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
}

impl Case {
    /// Multiplications and additions of the whole case.
    pub fn flops(&self) -> f64 {
        2.0 * (self.batch * self.m) as f64 * (self.k * self.n) as f64
    }

    /// Whether the plan's big-matrix strategies are the ones of interest.
    pub fn is_big(&self) -> bool {
        self.flops() >= 2e10 && self.batch == 1
    }
}

/// All cases, those with a goal first.
pub fn cases() -> Vec<Case> {
    use Layout::{Nn, Nt, Tn};
    let t = 16448; // 64 images of 257 tokens
    let case = |name, layout, batch, m, k, n| Case {
        name,
        layout,
        batch,
        m,
        k,
        n,
    };
    vec![
        case("fc1", Nn, 1, t, 1024, 4096),
        case("fc1 dx", Nt, 1, t, 4096, 1024),
        case("fc1 dw", Tn, 1, 1024, t, 4096),
        case("fc1 dw left copied", Nn, 1, 1024, t, 4096),
        case("fc1 dw both copied", Nt, 1, 1024, t, 4096),
        case("fc2 dx", Nt, 1, t, 1024, 4096),
        case("fc2", Nn, 1, t, 4096, 1024),
        case("fc2 dw", Tn, 1, 4096, t, 1024),
        case("proj", Nn, 1, t, 1024, 1024),
        case("proj dx", Nt, 1, t, 1024, 1024),
        case("proj dw", Tn, 1, 1024, t, 1024),
        case("scores", Nt, 1024, 257, 64, 257),
        case("values", Nn, 1024, 257, 257, 64),
        case("values dv", Tn, 1024, 257, 257, 64),
        case("delta", Nn, 1, 1024, 32, 4096),
        case("delta da", Nt, 1, 1024, 4096, 32),
        case("delta db", Tn, 1, 32, 1024, 4096),
        case("head", Nn, 1, 64, 1024, 1000),
        case("head dx", Nt, 1, 64, 1000, 1024),
        case("head dw", Tn, 1, 1024, 64, 1000),
        case("small", Nn, 1, 544, 64, 128),
        case("small dx", Nt, 1, 544, 128, 64),
        case("small dw", Tn, 1, 64, 544, 128),
    ]
}
