//! The sum of several lists of one length, one after another: what a product split along the
//! dimension that it sums over ends with. Parts are added in their order.
//!
//! Launches: one.

mod kernel;
mod launch;
pub mod reference;

pub use launch::sum_parts;
