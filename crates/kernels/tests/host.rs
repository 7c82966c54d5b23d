//! What the host computes into fresh memory.

use std::panic::catch_unwind;

use dacapo_kernels::host::{Matrices, filled, products};

#[test]
fn part_is_left_out_or_not_zero_before() {
    for len in [0, 1, 7, 8, 9, 1000] {
        for part in [1, 3, 8, 2000] {
            let list = filled(len, part, |number, part_of_it: &mut [u32]| {
                for (at, element) in part_of_it.iter_mut().enumerate() {
                    *element += (number * part + at) as u32;
                }
            });
            let expected: Vec<u32> = (0..len as u32).collect();
            assert_eq!(list, expected, "{len} in parts of {part}");
        }
    }
}

/// Integers, so that every order of additions gives the same.
fn list(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 23) as f32 - 11.0).collect()
}

fn plain(lhs: &Matrices<'_>, rhs: &Matrices<'_>, [m, k, n]: [usize; 3]) -> Vec<f32> {
    let at = |side: &Matrices<'_>, start: usize, row: usize, column: usize| {
        side.values[start + row * side.strides[0] + column * side.strides[1]]
    };
    let mut out = Vec::new();
    for (left, right) in lhs.starts.iter().zip(&rhs.starts) {
        for i in 0..m {
            for j in 0..n {
                out.push(
                    (0..k)
                        .map(|l| at(lhs, *left, i, l) * at(rhs, *right, l, j))
                        .sum(),
                );
            }
        }
    }
    out
}

#[test]
fn product_of_views_is_wrong_or_holds_what_lay_there() {
    let shapes = [
        [1, 1, 1],
        [1, 5, 40],
        [40, 5, 1],
        [3, 1, 4],
        [3, 2, 4],
        [5, 0, 6],
        [0, 3, 6],
        [17, 9, 33],
        [80, 80, 81],
        [200, 600, 70],
    ];
    let values = list(1 << 20);
    for shape @ [m, k, n] in shapes {
        for count in [1, 2, 5] {
            if count > 1 && m * k * n > 1 << 20 {
                continue;
            }
            for [rows, columns] in [[true, true], [true, false], [false, true], [false, false]] {
                let strides = |[height, width]: [usize; 2], by_row: bool| match by_row {
                    true => [width + 1, 1],
                    false => [1, height + 2],
                };
                // Repeated on the left, one after another on the right.
                let lhs = Matrices {
                    values: &values,
                    starts: vec![3; count],
                    strides: strides([m, k], rows),
                };
                let rhs = Matrices {
                    values: &values,
                    starts: (0..count).map(|at| 5 + at * (k + 2) * (n + 2)).collect(),
                    strides: strides([k, n], columns),
                };
                // What is freed here may be what a result is written to.
                drop(vec![f32::NAN; m * n * count]);
                let found = products(&lhs, &rhs, shape);
                assert_eq!(found, plain(&lhs, &rhs, shape), "{count} of {shape:?}");
            }
        }
    }
}

#[test]
fn matrix_that_ends_outside_is_read() {
    let values = list(12);
    let matrix = |start, strides| Matrices {
        values: &values,
        starts: vec![start],
        strides,
    };
    let inside = matrix(0, [4, 1]);
    for outside in [
        matrix(1, [4, 1]),
        matrix(0, [4, 2]),
        matrix(usize::MAX, [1, 1]),
        matrix(0, [usize::MAX, 1]),
    ] {
        assert!(catch_unwind(|| products(&outside, &inside, [3, 4, 3])).is_err());
        assert!(catch_unwind(|| products(&inside, &outside, [3, 3, 4])).is_err());
    }
    let two = Matrices {
        starts: vec![0, 0],
        ..inside.clone()
    };
    assert!(catch_unwind(|| products(&two, &inside, [2, 2, 2])).is_err());
}
