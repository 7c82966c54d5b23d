/// Twice the rank of every value, less twice the mean of all ranks: integers that sum
/// to zero. Equal values share the average of their ranks, as in SciPy's `rankdata`.
pub(crate) fn centred_ranks(values: &[f64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let end = start + group.len();
        for &index in group {
            // The ranks start + 1 to end have the mean (start + end + 1) / 2.
            ranks[index] = (start + end) as i64 - values.len() as i64;
        }
        start = end;
    }
    ranks
}
