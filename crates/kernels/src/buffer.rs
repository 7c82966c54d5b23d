//! Checks of a handle against the length that its caller states.

use cubecl::server::Handle;

use crate::KernelError;

/// Checks that `handle` starts at a multiple of `align` bytes and holds `bytes`.
pub(crate) fn check(
    kernel: &'static str,
    what: &'static str,
    handle: &Handle,
    bytes: u64,
    align: u64,
) -> Result<(), KernelError> {
    let offset = offset(handle);
    if !offset.is_multiple_of(align) {
        return Err(KernelError::Misaligned {
            kernel,
            what,
            expected: align,
            found: offset,
        });
    }
    let found = handle.size_in_used();
    if found < bytes {
        return Err(KernelError::TooShort {
            kernel,
            what,
            expected: bytes,
            found,
        });
    }
    Ok(())
}

/// The byte at which `handle` starts inside its allocation, which itself starts
/// at a multiple of at least 32 bytes on every runtime.
pub(crate) fn offset(handle: &Handle) -> u64 {
    handle.offset_start.unwrap_or(0)
}
