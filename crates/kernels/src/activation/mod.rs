//! What stands between the two layers of a perceptron, with the bias before it, and its gradient.
//!
//! `y = f(x + bias)`, and `dx = dy f'(x + bias)`, element by element:
//!
//! | kind | f(x) | f'(x) |
//! |---|---|---|
//! | GELU (Hendrycks and Gimpel, 2016) | x Phi(x) | Phi(x) + x phi(x) |
//! | QuickGELU (OpenAI's CLIP) | x s, s = sigmoid(1.702 x) | s + 1.702 x s (1 - s) |
//!
//! with Phi(x) = (1 + erf(x / sqrt(2))) / 2 and phi(x) = exp(-x²/2) / sqrt(2 pi).
//!
//! Launches: one each. Nothing but x, bias and dy is read.

mod activation_kind;
mod kernel;
mod launch;
pub mod reference;

pub use activation_kind::ActivationKind;
pub use launch::{activation, activation_backward};
