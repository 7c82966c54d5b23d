//! Sums over a row in sixteen lanes, which are then added in pairs: the same order on every
//! machine, and one that vector instructions can follow.

const LANES: usize = 16;

#[inline(always)]
fn lane(values: &[f32]) -> &[f32; LANES] {
    values.try_into().expect("chunks of LANES")
}

#[inline(always)]
fn pairs(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// The sum of `f(x)`.
#[inline(always)]
pub(super) fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for x in &mut chunks {
        let x = lane(x);
        for i in 0..LANES {
            sums[i] += f(x[i]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(chunks.remainder()) {
        *sum += f(*x);
    }
    pairs(sums)
}

/// The sum of `f(x, y)`.
#[inline(always)]
pub(super) fn sum_two(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        let (x, y) = (lane(x), lane(y));
        for i in 0..LANES {
            sums[i] += f(x[i], y[i]);
        }
    }
    for (sum, (x, y)) in sums
        .iter_mut()
        .zip(xs.remainder().iter().zip(ys.remainder()))
    {
        *sum += f(*x, *y);
    }
    pairs(sums)
}

/// The sum of `f(x, y, z)`.
#[inline(always)]
pub(super) fn sum_three(x: &[f32], y: &[f32], z: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let mut zs = z.chunks_exact(LANES);
    for ((x, y), z) in (&mut xs).zip(&mut ys).zip(&mut zs) {
        let (x, y, z) = (lane(x), lane(y), lane(z));
        for i in 0..LANES {
            sums[i] += f(x[i], y[i], z[i]);
        }
    }
    let rest = xs
        .remainder()
        .iter()
        .zip(ys.remainder())
        .zip(zs.remainder());
    for (sum, ((x, y), z)) in sums.iter_mut().zip(rest) {
        *sum += f(*x, *y, *z);
    }
    pairs(sums)
}

/// The largest; NaN if there is one.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
    let mut most = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for x in &mut chunks {
        let x = lane(x);
        for i in 0..LANES {
            most[i] = larger(most[i], x[i]);
        }
    }
    for (most, x) in most.iter_mut().zip(chunks.remainder()) {
        *most = larger(*most, *x);
    }
    most.into_iter().fold(f32::NEG_INFINITY, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_lost() {
        for len in [0, 1, 15, 16, 17, 33, 100] {
            let x: Vec<f32> = (1..=len).map(|i| i as f32).collect();
            let y: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
            let expected: f32 = x.iter().sum();
            assert_eq!(sum(&x, |x| x), expected, "{len}");
            assert_eq!(sum_two(&x, &y, |x, y| y - x), expected, "{len}");
            assert_eq!(
                sum_three(&x, &y, &y, |x, y, z| x + y - z),
                expected,
                "{len}"
            );
            if len > 0 {
                assert_eq!(largest(&x), len as f32, "{len}");
                let negative: Vec<f32> = x.iter().map(|x| -x).collect();
                assert_eq!(largest(&negative), -1.0, "{len}");
            }
        }
        assert!(largest(&[1.0, f32::NAN, 2.0]).is_nan());
    }
}
