//! The sum of all elements, or of their squares, in one fixed order: nothing is added atomically, as
//! CubeCL's own sum of a tensor does it on devices that can.
//!
//! Launches: one for every 32768-fold of elements.

mod kernel;
mod launch;
pub mod reference;

pub use launch::{Terms, sum_all, sum_each};

/// Elements of a cube.
const CHUNK: usize = 1 << 15;
/// Sums that a unit keeps apart, so that its reads need not wait for each other.
const LANES: usize = 4;
