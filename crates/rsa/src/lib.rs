//! Behavioural representational similarity analysis for dacapo.
//!
//! # Contract
//!
//! * [`Rdm`]: an `[n, n]` matrix of dissimilarities, exactly symmetric, with a
//!   diagonal of zeros and finite elements. It comes from predictions as
//!   `1 - Pearson correlation` of their rows, from a MATLAB 5 file or from a CSV
//!   file.
//! * [`Spearman`]: the rank correlation of two such matrices and its p-value, over
//!   the `n (n - 1) / 2` elements below the diagonal. Ranks and their products are
//!   integers, so that rho does not depend on the order of the objects.
//! * [`spearman_p_value`]: the two-sided p-value of a rho, right in relative terms
//!   down to the smallest normal number, 2e-308.
//!
//! The same input gives the same bits on every machine: sums run in one fixed order,
//! and logarithms and powers do not come from the machine's C library. Every error
//! names what was read, what was expected, what was found and what to do next.
//!
//! ```
//! use dacapo_rsa::{Rdm, Spearman};
//!
//! // Four objects, three values predicted for each.
//! let predictions = [0.1, 0.9, 0.3, 0.2, 0.8, 0.5, 0.7, 0.1, 0.4, 0.9, 0.3, 0.2];
//! let model = Rdm::from_predictions(&predictions, 4, 3)?;
//! let reference = Rdm::from_dissimilarities(
//!     4,
//!     vec![
//!         0.0, 0.1, 0.8, 0.7, //
//!         0.1, 0.0, 0.9, 0.8, //
//!         0.8, 0.9, 0.0, 0.3, //
//!         0.7, 0.8, 0.3, 0.0,
//!     ],
//! )?;
//! let similarity = Spearman::between(&model, &reference)?;
//! assert!(similarity.rho > 0.8 && similarity.p_value < 0.05);
//! # Ok::<(), dacapo_rsa::RsaError>(())
//! ```
//!
//! # Sources
//!
//! The analysis: N. Kriegeskorte, M. Mur and P. Bandettini, "Representational
//! similarity analysis - connecting the branches of systems neuroscience", Frontiers
//! in Systems Neuroscience 2:4, 2008. Ranks, rho and p are those of SciPy's
//! `stats.spearmanr`.
//!
//! # What this crate does not do
//!
//! * It knows no tensors, no images and no Burn; it takes host values.
//! * It has one dissimilarity and one correlation: no Euclidean distance, no Kendall's
//!   tau, no noise ceiling, no permutation test.
//! * The p-value takes the elements of a matrix for independent, as SciPy does. They
//!   are not: it is for comparison with published figures, not a test of a hypothesis.
//! * It rounds nothing: two dissimilarities that should be equal but differ in the last
//!   bit are no tie, and a row that varies in its last bits only is not constant.
//! * It does not match objects: both matrices must have them in the same order.
//! * It does not read every MATLAB 5 file: of numbers, only real ones of class double or
//!   single, and 1 GiB in all.

mod error;
mod mat;
mod mat5;
mod p_value;
mod ranks;
mod rdm;
mod rdm_csv;
mod spearman;

pub use error::RsaError;
pub use p_value::spearman_p_value;
pub use rdm::Rdm;
pub use spearman::Spearman;
