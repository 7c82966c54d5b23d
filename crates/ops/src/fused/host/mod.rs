//! The operations as loops on the host, over rows that lie together.
//!
//! Bits depend neither on the number of threads nor on the machine's vector instructions: a row
//! is summed in sixteen lanes whatever the machine has, nothing is fused into one rounding, and
//! the elementary functions are arithmetic of this crate ([`math`]). Rows are dealt to threads in
//! blocks of a fixed size.

mod flex;
mod heads;
mod lanes;
mod math;
