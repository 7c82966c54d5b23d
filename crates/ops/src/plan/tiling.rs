/// How a kernel on tensor cores cuts a product into the tiles of one instruction: 16x8, and 32
/// bytes along the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Tiles of a warp: rows, columns, along the sum.
    pub partition: [u32; 3],
    /// Warps of a cube that multiply: along rows and columns.
    pub stage: [u32; 2],
    /// Whether other warps do nothing but load.
    pub loading_planes: bool,
}
