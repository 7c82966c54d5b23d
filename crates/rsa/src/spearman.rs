use crate::{Rdm, RsaError, p_value::spearman_p_value, ranks::centred_ranks};

/// The rank correlation of two matrices of dissimilarities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spearman {
    /// The correlation, in `-1..=1`.
    pub rho: f64,
    /// Its two-sided p-value; see [`spearman_p_value`].
    pub p_value: f64,
    /// How many dissimilarities of each matrix were ranked.
    pub pairs: usize,
}

impl Spearman {
    /// Compares the elements below the diagonals of `first` and `second`, both `[n, n]`:
    /// the Pearson correlation of their ranks, where equal elements share the average
    /// of their ranks (Kriegeskorte et al. 2008; SciPy's `stats.spearmanr`).
    ///
    /// Both matrices must have the same objects in the same order. In whichever order
    /// that is, the bits are the same: sums over ranks are exact.
    ///
    /// # Errors
    /// [`RsaError::Sizes`] if the matrices differ in size, [`RsaError::Constant`] if all
    /// elements of one of them are equal.
    pub fn between(first: &Rdm, second: &Rdm) -> Result<Self, RsaError> {
        if first.size() != second.size() {
            return Err(RsaError::Sizes {
                first: first.size(),
                second: second.size(),
            });
        }
        let (x, x_squares) = ranked(first, "first")?;
        let (y, y_squares) = ranked(second, "second")?;
        let products = dot(&x, &y);
        // Of equal ranks exactly 1: the root of a rounded square is the number itself.
        let rho = products as f64 / (x_squares as f64 * y_squares as f64).sqrt();
        let rho = rho.clamp(-1.0, 1.0);
        Ok(Self {
            rho,
            p_value: spearman_p_value(rho, x.len())?,
            pairs: x.len(),
        })
    }
}

/// The centred ranks of a matrix and the sum of their squares, which is not zero.
fn ranked(rdm: &Rdm, which: &'static str) -> Result<(Vec<i64>, i128), RsaError> {
    let values = rdm.lower_triangle();
    let ranks = centred_ranks(&values);
    let squares = dot(&ranks, &ranks);
    if squares == 0 {
        return Err(RsaError::Constant {
            which,
            pairs: values.len(),
            value: values[0],
        });
    }
    Ok((ranks, squares))
}

fn dot(x: &[i64], y: &[i64]) -> i128 {
    let pairs = x.iter().zip(y);
    pairs.map(|(&x, &y)| i128::from(x) * i128::from(y)).sum()
}
