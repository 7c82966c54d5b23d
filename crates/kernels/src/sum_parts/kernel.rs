use cubecl::prelude::*;

/// One unit a vector of the sum.
#[cube(launch_unchecked)]
pub(super) fn sum<N: Size>(
    parts: &Array<Vector<f32, N>>,
    total: &mut Array<Vector<f32, N>>,
    count: u32,
) {
    let at = ABSOLUTE_POS;
    let len = total.len();
    if at < len {
        let mut sum = parts[at];
        for part in 1..count as usize {
            sum += parts[part * len + at];
        }
        total[at] = sum;
    }
}
