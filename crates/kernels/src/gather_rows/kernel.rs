use cubecl::prelude::*;

/// One unit a vector of the `count` rows of `width` vectors that pairs from `first` on name: a pair
/// is a row of the piece and its place.
#[cube(launch_unchecked)]
pub(super) fn copy<N: Size>(
    piece: &Array<Vector<u32, N>>,
    pairs: &Array<u32>,
    gathered: &mut Array<Vector<u32, N>>,
    first: u32,
    count: u32,
    width: u32,
) {
    let unit = ABSOLUTE_POS as u32;
    let row = unit / width;
    if row < count {
        let column = unit % width;
        let pair = (2 * (first + row)) as usize;
        let (from, to) = (pairs[pair], pairs[pair + 1]);
        gathered[(to * width + column) as usize] = piece[(from * width + column) as usize];
    }
}
