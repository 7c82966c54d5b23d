//! Which part of a matrix a cube takes.

use cubecl::prelude::*;

/// The cube's column of cubes. A pass over a matrix that another pass has just read
/// goes `backwards`, last cubes first: what was read last is in the cache still.
#[cube]
pub(super) fn cube_x(#[comptime] backwards: bool) -> u32 {
    place(CUBE_POS_X, CUBE_COUNT_X, backwards)
}

/// The cube's row of cubes.
#[cube]
pub(super) fn cube_y(#[comptime] backwards: bool) -> u32 {
    place(CUBE_POS_Y, CUBE_COUNT_Y, backwards)
}

#[cube]
fn place(position: u32, count: u32, #[comptime] backwards: bool) -> u32 {
    if comptime!(backwards) {
        count - 1 - position
    } else {
        position
    }
}
