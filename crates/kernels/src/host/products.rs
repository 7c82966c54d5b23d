use gemm::Parallelism;
use std::mem::MaybeUninit;

use super::Matrices;
use super::parts::for_each_part;

/// Multiplications from which one product is worth several threads, and many together are, as in
/// Burn-Flex.
const ONE: usize = 192 * 192 * 192;
const MANY: usize = 128 * 128 * 128;

/// The products `[m, n]` of `lhs` `[m, k]` and `rhs` `[k, n]` one after another: the numbers that
/// Burn-Flex computes, by the crate `gemm`, to the bit.
///
/// No bit depends on the number of threads: every element is summed over k in one order.
///
/// # Panics
/// If there are not as many matrices on either side, or one does not lie within its values.
#[allow(unsafe_code)]
pub fn products(lhs: &Matrices<'_>, rhs: &Matrices<'_>, [m, k, n]: [usize; 3]) -> Vec<f32> {
    let count = lhs.starts.len();
    assert_eq!(count, rhs.starts.len(), "as many matrices on either side");
    let size = m.checked_mul(n).expect("a product that can be addressed");
    let len = size
        .checked_mul(count)
        .expect("products that can be addressed");
    if len == 0 || k == 0 {
        return vec![0.0; len];
    }
    for (side, shape) in [(lhs, [m, k]), (rhs, [k, n])] {
        let end = side.end(shape).expect("matrices that can be addressed");
        assert!(
            end <= side.values.len(),
            "matrices up to element {end} of {}",
            side.values.len()
        );
    }
    let mut out = Vec::with_capacity(len);
    let one = |at: usize, out: &mut [MaybeUninit<f32>], parallelism| {
        let [lhs_row, lhs_column] = lhs.strides.map(|stride| stride as isize);
        let [rhs_row, rhs_column] = rhs.strides.map(|stride| stride as isize);
        // SAFETY: all elements of both sides lie within their values (checked above), strides
        // included, as no slice is longer than `isize::MAX` bytes; `out` has m n elements, is
        // nobody else's, and is not read (`read_dst` is false).
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out.as_mut_ptr().cast::<f32>(),
                1,
                n as isize,
                false,
                lhs.values.as_ptr().add(lhs.starts[at]),
                lhs_column,
                lhs_row,
                rhs.values.as_ptr().add(rhs.starts[at]),
                rhs_column,
                rhs_row,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    };
    let unwritten = &mut out.spare_capacity_mut()[..len];
    // For these shapes `gemm` takes the result as a list of numbers before it writes it.
    if m == 1 || n == 1 || k <= 2 {
        for element in unwritten.iter_mut() {
            element.write(0.0);
        }
    }
    let work = m.saturating_mul(n).saturating_mul(k);
    let together = count.saturating_mul(work);
    let by_product = count > 1 && together >= MANY && (work < ONE || count >= 4);
    if by_product {
        for_each_part(unwritten, size, |at, out| one(at, out, Parallelism::None));
    } else {
        for (at, out) in unwritten.chunks_mut(size).enumerate() {
            one(at, out, inside(work));
        }
    }
    // SAFETY: the capacity is `len` at least, and `gemm` has written every element of each product,
    // as k is not 0.
    unsafe { out.set_len(len) };
    out
}

/// Whether one product is dealt to all threads.
fn inside(work: usize) -> Parallelism {
    #[cfg(feature = "rayon")]
    if work >= ONE {
        // 0: as many as there are.
        return Parallelism::Rayon(0);
    }
    let _ = work;
    Parallelism::None
}
