use crate::Stream;

/// The order of epoch `epoch`: a uniform permutation of `0..len`, by Fisher and
/// Yates (Durstenfeld's form, from the last element down) over
/// [`Stream::keyed`]`(seed, stream, epoch)`.
///
/// It depends on its arguments alone, so that any epoch can be rebuilt without
/// replaying the earlier ones.
pub fn epoch_permutation(seed: u64, stream: &str, epoch: u64, len: usize) -> Vec<usize> {
    let mut draws = Stream::keyed(seed, stream, epoch);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        // `last + 1 <= len` fits a u64, and the result is at most `last`.
        let chosen = draws.below(last as u64 + 1) as usize;
        order.swap(last, chosen);
    }
    order
}
