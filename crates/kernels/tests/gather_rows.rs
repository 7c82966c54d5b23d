//! Rows that are gathered on a device against the same on the host: every bit.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use bytemuck::Pod;
use common::{TestRuntime, client};
use cubecl::prelude::*;
use cubecl::server::Handle;
use dacapo_kernels::gather_rows::{Piece, gather_rows, reference};
use dacapo_kernels::{KernelError, RowShape};

type Client = ComputeClient<TestRuntime>;

/// Rows of the pieces.
const PIECES: [usize; 4] = [3, 1, 40, 5];

/// Bits of every kind, NaNs with a payload and infinities of any float type among them.
fn words(len: usize, seed: u32) -> Vec<u32> {
    (0..len as u32)
        .map(|i| (i + 7919 * seed).wrapping_mul(2_654_435_769).rotate_left(9))
        .collect()
}

fn upload<T: Pod>(client: &Client, values: &[T]) -> Handle {
    client.create_from_slice(bytemuck::cast_slice(values))
}

fn download<T: Pod>(client: &Client, handle: Handle) -> Vec<T> {
    bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
}

/// A few ways to take rows.
fn choices() -> Vec<Vec<(usize, usize)>> {
    let all =
        || (0..PIECES.len()).flat_map(|piece| (0..PIECES[piece]).map(move |row| (piece, row)));
    vec![
        vec![(2, 39)],
        vec![(3, 4), (0, 0), (2, 7), (0, 2), (2, 7), (1, 0), (0, 0)],
        vec![(2, 5), (2, 3), (2, 4)],
        all().collect(),
        all().rev().collect(),
        vec![(1, 0); 100],
    ]
}

/// `width` elements a row, in buffers that begin at the `shift`th element.
fn check<T: Pod + PartialEq + std::fmt::Debug>(width: usize, shift: usize) {
    let client = client();
    let values: Vec<Vec<T>> = (1..)
        .zip(PIECES)
        .map(|(seed, rows)| {
            let len = shift + rows * width;
            let words = words((len * size_of::<T>()).div_ceil(4), seed);
            bytemuck::pod_collect_to_vec::<u32, T>(&words)[..len].to_vec()
        })
        .collect();
    let begin = (shift * size_of::<T>()) as u64;
    let handles: Vec<Handle> = values
        .iter()
        .map(|values| match begin {
            0 => upload(&client, values),
            _ => upload(&client, values).offset_start(begin),
        })
        .collect();
    let pieces: Vec<Piece<'_>> = handles
        .iter()
        .zip(PIECES)
        .map(|(handle, rows)| Piece { handle, rows })
        .collect();
    let values: Vec<&[T]> = values.iter().map(|values| &values[shift..]).collect();
    let row_bytes = (width * size_of::<T>()) as u64;
    for rows in choices() {
        let found = gather_rows(&client, row_bytes, &pieces, &rows).unwrap();
        let wanted = reference::gather_rows(&values, width, &rows);
        assert_eq!(
            download::<T>(&client, found),
            wanted,
            "width {width}, shift {shift}, {rows:?}"
        );
    }
}

#[test]
fn row_is_another_or_in_another_place() {
    for width in [1, 3, 4, 33, 132, 1030, 4096] {
        check::<u32>(width, 0);
    }
}

#[test]
fn row_of_two_byte_elements_is_another() {
    for width in [2, 6, 8, 66, 1030] {
        check::<u16>(width, 0);
    }
}

#[test]
fn piece_that_begins_anywhere_is_read_from_elsewhere() {
    if !cfg!(feature = "cuda") {
        eprintln!("Vulkan takes no buffer that begins at any element; nothing tested");
        return;
    }
    for width in [1, 4, 132] {
        check::<u32>(width, 1);
        check::<u32>(width, 4);
        check::<u16>(2 * width, 2);
    }
}

#[test]
fn more_cubes_than_a_row_lose_their_place() {
    let client = client();
    // Odd, so that each unit moves a word.
    let width = 5_600_001;
    let rows = [(0, 0), (1, 0), (0, 0)];
    if client.properties().memory.max_page_size < (rows.len() * width * 4) as u64 {
        eprintln!("this device has no buffers as long; nothing tested");
        return;
    }
    let values = [words(width, 1), words(width, 2)];
    let handles = [upload(&client, &values[0]), upload(&client, &values[1])];
    let pieces = [0, 1].map(|at| Piece {
        handle: &handles[at],
        rows: 1,
    });
    let found = gather_rows(&client, 4 * width as u64, &pieces, &rows).unwrap();
    let wanted = reference::gather_rows(&[&values[0], &values[1]], width, &rows);
    assert!(download::<u32>(&client, found) == wanted);

    let many = vec![(0, 0); 70_000];
    let (row, piece) = ([7_u32; 241], upload(&client, &[7_u32; 241]));
    let piece = Piece {
        handle: &piece,
        rows: 1,
    };
    let found = gather_rows(&client, 4 * 241, &[piece], &many).unwrap();
    let found = download::<u32>(&client, found);
    assert!(found.len() == many.len() * row.len() && found.iter().all(|word| *word == 7));
}

#[test]
fn row_that_is_not_there_is_read() {
    let client = client();
    let handle = upload(&client, &[0_u32; 8]);
    let piece = Piece {
        handle: &handle,
        rows: 2,
    };
    let refusal = |row_bytes, piece, rows: &[(usize, usize)]| {
        gather_rows(&client, row_bytes, &[piece, piece], rows).expect_err("refused")
    };
    assert!(matches!(
        refusal(16, piece, &[(0, 0), (1, 2)]),
        KernelError::OutOfRange {
            what: "row",
            limit: 2,
            found: 2,
            ..
        }
    ));
    assert!(matches!(
        refusal(16, piece, &[(0, 0), (2, 0)]),
        KernelError::OutOfRange {
            what: "piece",
            limit: 2,
            found: 2,
            ..
        }
    ));
    let longer = Piece { rows: 3, ..piece };
    assert!(matches!(
        refusal(16, longer, &[(0, 0)]),
        KernelError::TooShort { .. }
    ));
    let view = handle.clone().offset_start(2);
    let view = Piece {
        handle: &view,
        rows: 1,
    };
    assert!(matches!(
        refusal(16, view, &[(0, 0)]),
        KernelError::Misaligned { .. }
    ));
}

#[test]
fn row_that_no_unit_can_move_is_moved() {
    let client = client();
    let handle = upload(&client, &[0_u32; 8]);
    let piece = Piece {
        handle: &handle,
        rows: 1,
    };
    let refused = gather_rows(&client, 6, &[piece], &[(0, 0)]);
    assert!(matches!(refused, Err(KernelError::PartialWord { .. })));
    // A piece, then the result.
    let refused = gather_rows(&client, 4 * (RowShape::MAX_LEN + 1), &[piece], &[(0, 0)]);
    assert!(matches!(refused, Err(KernelError::TooLong { .. })));
    let refused = gather_rows(&client, 4 * RowShape::MAX_LEN, &[], &[(0, 0), (0, 0)]);
    assert!(matches!(refused, Err(KernelError::TooLong { .. })));
    let nothing = gather_rows(&client, 16, &[piece], &[]).unwrap();
    assert!(download::<u32>(&client, nothing).is_empty());
}
