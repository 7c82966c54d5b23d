//! The mask of the update: which accesses make it, and a tile's part of it.

use cubecl::prelude::*;

use super::tile::Extent;
use super::tile_storage::TileStorage;
use crate::dropout_mask::{MaskArgs, mask_at, mask_four};

/// How a kernel makes the mask of the update. Known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Masked {
    /// There is none.
    No,
    /// Four neighbours at a time: rows begin where a block of the mask does.
    Fours,
    /// One element at a time.
    Ones,
}

impl Masked {
    /// For a matrix of `q` columns.
    pub fn new(masked: bool, q: usize) -> Self {
        match (masked, q.is_multiple_of(4)) {
            (false, _) => Self::No,
            (true, true) => Self::Fours,
            (true, false) => Self::Ones,
        }
    }
}

/// Multiplies this lane's part of the tile at (`row`, `column`) by the mask.
#[cube]
pub(super) fn mask_tile(
    tile: &mut Array<f32>,
    mask: &MaskArgs,
    row: u32,
    column: u32,
    extent: &Extent,
    #[comptime] storage: TileStorage,
    #[comptime] masked: Masked,
) {
    if comptime!(masked != Masked::No) {
        let lane = UNIT_POS % 32;
        let left = column + (lane % 4) * comptime!(storage.lane_columns());
        #[unroll]
        for h in 0..2usize {
            let start = (row + (lane / 4) * 2 + h as u32) * extent.q + left;
            #[unroll]
            for four in 0..2usize {
                let at = start + comptime!(storage.column_of(four * 4));
                let first = comptime!(h * 8 + four * 4);
                if comptime!(masked == Masked::Fours) {
                    let factors = mask_four(mask, at / 4, 0u32);
                    #[unroll]
                    for e in 0..4usize {
                        tile[first + e] *= factors[e];
                    }
                } else {
                    #[unroll]
                    for e in 0..4usize {
                        tile[first + e] *= mask_at(mask, at + comptime!(e as u32), 0u32);
                    }
                }
            }
        }
    }
}
