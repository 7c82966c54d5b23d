use cubecl::prelude::*;
use cubecl::server::Handle;

use super::kernel::{copy_words, count_down, fill_words};

/// Units of a cube.
const UNITS: usize = 256;
/// The widest row of cubes; Vulkan guarantees no more.
const ROW: usize = 65_535;
/// The words of fewer vectors than this can be counted in a u32.
const MAX_VECTORS: usize = 1 << 30;

/// Writes `word` to the first `16 * vectors` bytes of `target`. One launch.
///
/// # Panics
/// If `target` is shorter, or `vectors` not below 2^30.
pub fn fill<R: Runtime>(client: &ComputeClient<R>, target: &Handle, vectors: usize, word: u32) {
    check(target, vectors);
    // SAFETY: `target` was checked to hold `vectors` vectors, and each unit
    // writes the one of its own position below that length.
    #[allow(unsafe_code)]
    unsafe {
        fill_words::launch_unchecked::<R>(
            client,
            cubes(vectors),
            CubeDim::new_1d(UNITS as u32),
            ArrayArg::from_raw_parts(target.clone(), 4 * vectors),
            word,
        );
    }
}

/// Copies the first `16 * vectors` bytes of `source` to `target`. One launch.
///
/// # Panics
/// If one of them is shorter, or `vectors` not below 2^30.
pub fn copy<R: Runtime>(
    client: &ComputeClient<R>,
    source: &Handle,
    target: &Handle,
    vectors: usize,
) {
    check(source, vectors);
    check(target, vectors);
    // SAFETY: both were checked to hold `vectors` vectors, and each unit touches
    // the one of its own position below that length.
    #[allow(unsafe_code)]
    unsafe {
        copy_words::launch_unchecked::<R>(
            client,
            cubes(vectors),
            CubeDim::new_1d(UNITS as u32),
            ArrayArg::from_raw_parts(source.clone(), 4 * vectors),
            ArrayArg::from_raw_parts(target.clone(), 4 * vectors),
        );
    }
}

/// Keeps the device busy with one unit for `rounds` dependent multiply-adds,
/// about four clock cycles each, without touching memory but for `scratch`, one
/// f32. One launch.
///
/// # Panics
/// If `scratch` is empty.
pub fn wait<R: Runtime>(client: &ComputeClient<R>, scratch: &Handle, rounds: u32) {
    assert!(scratch.size_in_used() >= 4, "wait: scratch is empty");
    // SAFETY: the one unit writes element 0, which was checked to be there.
    #[allow(unsafe_code)]
    unsafe {
        count_down::launch_unchecked::<R>(
            client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(1),
            ArrayArg::from_raw_parts(scratch.clone(), 1),
            rounds,
            // Converges, so that no value becomes infinite.
            0.5,
        );
    }
}

fn check(handle: &Handle, vectors: usize) {
    let (expected, found) = (16 * vectors as u64, handle.size_in_used());
    assert!(
        found >= expected,
        "expected a buffer of at least {expected} bytes, found {found}"
    );
    assert!(
        vectors < MAX_VECTORS,
        "expected fewer than {MAX_VECTORS} vectors, found {vectors}: words are counted in u32"
    );
}

fn cubes(vectors: usize) -> CubeCount {
    let count = vectors.div_ceil(UNITS).max(1);
    CubeCount::Static(count.min(ROW) as u32, count.div_ceil(ROW) as u32, 1)
}
