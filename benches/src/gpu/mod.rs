//! What the benchmarks of the kernels share: the device, its clock, and their JSON.

mod args;
mod clock;
mod device;
mod report;
mod times;

pub use args::Args;
pub use clock::Clock;
pub use device::{Gpu, configure, open};
pub use report::Report;
pub use times::{Times, median};
