use burn::tensor::{Tensor, backend::Backend};

/// Cuts square `images` `[n, channels, side, side]` into patches `[n, patches, channels *
/// patch * patch]`: row by row, and of each its channels, row by row.
pub(crate) fn patches<B: Backend>(images: Tensor<B, 4>, patch: usize) -> Tensor<B, 3> {
    let [n, channels, side, _] = images.dims();
    let along = side / patch;
    images
        .reshape([n, channels, along, patch, along, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([n, along * along, channels * patch * patch])
}
