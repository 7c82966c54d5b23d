#[cfg(feature = "rayon")]
use rayon::prelude::*;

/// Calls `f` with the number and the elements of each part of `size` elements, in any order and on
/// any of rayon's threads.
#[cfg(feature = "rayon")]
pub(super) fn for_each_part<T: Send>(
    list: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let parts = list.par_chunks_mut(size).enumerate();
    parts.for_each(|(number, part)| f(number, part));
}

/// The same, one part after another.
#[cfg(not(feature = "rayon"))]
pub(super) fn for_each_part<T>(list: &mut [T], size: usize, f: impl Fn(usize, &mut [T])) {
    for (number, part) in list.chunks_mut(size).enumerate() {
        f(number, part);
    }
}
