//! Kernels to measure with: what a device copy reaches, what empties its cache,
//! and what keeps it busy while work is queued behind it. No part of training.

mod kernel;
mod launch;

pub use launch::{copy, fill, wait};
