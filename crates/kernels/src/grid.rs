//! The cubes of a one-dimensional launch.

use cubecl::prelude::*;

/// Units of a cube in the element-wise kernels.
pub(crate) const UNITS: u32 = 256;

/// The widest row of cubes; Vulkan guarantees no more than 65535.
const ROW: u32 = 65_535;

/// At least `cubes` cubes: one row of exactly that many if it fits, else rows of
/// [`ROW`], whose last is filled up. A kernel must ignore the cubes past the end.
pub(crate) fn cubes(cubes: u32) -> CubeCount {
    if cubes <= ROW {
        CubeCount::Static(cubes.max(1), 1, 1)
    } else {
        CubeCount::Static(ROW, cubes.div_ceil(ROW), 1)
    }
}

/// The most units that [`cubes`] can address with a 32-bit position, however
/// the last row is filled up.
pub(crate) const MAX_UNITS: u64 = (1 << 32) - (ROW as u64 + 1) * UNITS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_lacks_cubes_or_wraps_the_position() {
        for count in [
            1,
            2,
            ROW - 1,
            ROW,
            ROW + 1,
            2 * ROW,
            2 * ROW + 1,
            16_711_423,
        ] {
            let CubeCount::Static(x, y, z) = cubes(count) else {
                panic!("expected a static count");
            };
            let total = u64::from(x) * u64::from(y) * u64::from(z);
            assert!(total >= u64::from(count), "{count}");
            assert!(x <= ROW && y <= ROW && z == 1, "{count}");
            assert!(total < u64::from(count) + u64::from(ROW), "{count}");
        }
        let CubeCount::Static(x, y, _) = cubes((MAX_UNITS / u64::from(UNITS)) as u32) else {
            panic!("expected a static count");
        };
        assert!(u64::from(x) * u64::from(y) * u64::from(UNITS) <= 1 << 32);
    }
}
