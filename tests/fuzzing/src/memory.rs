//! How much memory a reader takes.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a reader may take of any file: settings, tables, messages.
const FOR_ANY_FILE: usize = 1 << 20;

/// What `read` gives. It may at no time hold more than `per_byte` bytes of memory for each of
/// the file's `len`, and a MiB.
#[track_caller]
pub(crate) fn bounded<T>(per_byte: usize, len: usize, read: impl FnOnce() -> T) -> T {
    bounded_by(FOR_ANY_FILE, per_byte, len, read)
}

/// The same, with `fixed` bytes in place of the MiB.
#[track_caller]
pub(crate) fn bounded_by<T>(
    fixed: usize,
    per_byte: usize,
    len: usize,
    read: impl FnOnce() -> T,
) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = read();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    let allowed = per_byte * len + fixed;
    assert!(
        taken <= allowed,
        "{taken} bytes of memory for a file of {len}, but at most {allowed} are justified"
    );
    value
}
