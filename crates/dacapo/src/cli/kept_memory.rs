//! Memory that a step frees and the next one asks for again.

/// A block that glibc still counts among those whose size it learns from: its limit is 32 MiB.
const BLOCK: usize = 31 << 20;

/// Keeps freed blocks of up to 31 MiB in the process.
///
/// At first, glibc takes every block of 128 KiB and more from the system and gives it back when it is
/// freed, so that each tensor of each step is made of new pages, which the system fills with zeros one
/// by one: about a tenth of a step on a CPU went there (benches/RESULTS.md). When such a block is freed, it
/// raises that limit to the block's size (mallopt(3), `M_MMAP_THRESHOLD`); so one is freed that nobody
/// has written to. Elsewhere this does nothing.
pub(super) fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}
