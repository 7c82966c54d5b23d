use super::Storage;

/// How a matrix like the weight lies in memory, as far as a tile's access to it
/// depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TileStorage {
    /// A lane's eight columns of a tile are one run, as 16-bit storage wants it;
    /// else two runs of four.
    pub one_run: bool,
    /// The elements are bfloat16.
    pub bf16: bool,
    /// Rows or columns do not fill the tiles.
    pub guard: bool,
}

impl TileStorage {
    /// `guard` is not set yet.
    pub fn new(storage: Storage) -> Self {
        Self {
            one_run: storage.size() < 4,
            bf16: storage == Storage::Bf16,
            guard: false,
        }
    }

    /// Column of a lane's element x in its tile, for lane 0; lane t adds t times
    /// [`lane_columns`](Self::lane_columns).
    pub fn column_of(&self, x: usize) -> u32 {
        if self.one_run || x < 4 {
            x as u32
        } else {
            x as u32 + 12
        }
    }

    /// Columns between the first of lanes t and t + 1.
    pub fn lane_columns(&self) -> u32 {
        if self.one_run { 8 } else { 4 }
    }
}
