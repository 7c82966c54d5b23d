use std::mem::MaybeUninit;

use super::parts::for_each_part;

/// A list of `len` elements, of which `f` writes parts of `part` elements, the last of which may be
/// shorter: it gets a part's number and its elements, all `T::default()` before.
///
/// Parts are dealt to the threads of rayon's pool (feature `rayon`), in any order.
///
/// # Panics
/// If `part` is 0.
#[allow(unsafe_code)]
pub fn filled<T: Copy + Default + Send>(
    len: usize,
    part: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut list = Vec::with_capacity(len);
    let unwritten = &mut list.spare_capacity_mut()[..len];
    for_each_part(unwritten, part, |number, part: &mut [MaybeUninit<T>]| {
        for element in part.iter_mut() {
            element.write(T::default());
        }
        // SAFETY: every element of the part has just been written, and `MaybeUninit<T>` lies in
        // memory as `T` does.
        let part = unsafe { &mut *(std::ptr::from_mut(part) as *mut [T]) };
        f(number, part);
    });
    // SAFETY: the capacity is `len` at least, and the parts, all of them written, are its first
    // `len` elements. A panic of `f` has not come here.
    unsafe { list.set_len(len) };
    list
}
