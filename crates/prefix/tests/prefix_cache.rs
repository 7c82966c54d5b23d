//! Rows that are kept are those that are computed.

use std::{cell::RefCell, num::NonZeroUsize};

use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use dacapo_prefix::{ComputeError, Limits, Place, PrefixCache, PrefixError};

const LEN: usize = 23;

/// Two parts, of which a value says which sample it is of.
fn compute(indices: &[usize]) -> Result<Vec<Tensor<Flex, 3>>, ComputeError> {
    let part = |width: usize, offset: f32| {
        let values: Vec<f32> = indices
            .iter()
            .flat_map(|index| (0..2 * width).map(move |at| offset + (index * 100 + at) as f32))
            .collect();
        let data = TensorData::new(values, [indices.len(), 2, width]);
        Tensor::<Flex, 3>::from_data(data, &FlexDevice)
    };
    Ok(vec![part(3, 0.0), part(1, 0.5)])
}

fn cache(micro_batch: usize, device: u64) -> PrefixCache<Flex> {
    cache_within(micro_batch, Limits { device, host: 0 })
}

fn cache_within(micro_batch: usize, limits: Limits) -> PrefixCache<Flex> {
    PrefixCache::new(NonZeroUsize::new(micro_batch).expect("not zero"), limits)
}

fn data(parts: Vec<Tensor<Flex, 3>>) -> Vec<TensorData> {
    parts.into_iter().map(Tensor::into_data).collect()
}

#[test]
fn kept_rows_are_others() {
    for micro_batch in [1, 4, 5, LEN, 40] {
        for indices in [vec![0], vec![22, 0, 7, 7, 13], (0..LEN).rev().collect()] {
            let expected = data(compute(&indices).expect("computes"));
            let kept = cache(micro_batch, u64::MAX);
            for kept in [&kept, &cache(micro_batch, u64::MAX).in_pieces_of(100)] {
                for _ in 0..2 {
                    let rows = kept.rows("a", LEN, &indices, compute).expect("computes");
                    assert_eq!(data(rows), expected, "{micro_batch} {indices:?}");
                }
            }
            let computed = cache(micro_batch, u64::MAX);
            computed.keep(false);
            let rows = computed
                .rows("a", LEN, &indices, compute)
                .expect("computes");
            assert_eq!(data(rows), expected, "{micro_batch} {indices:?}");
            let rows = kept.compute(&indices, compute).expect("computes");
            assert_eq!(data(rows), expected);
        }
    }
}

#[test]
fn shape_of_a_micro_batch_varies_or_a_kept_sample_is_computed_again() {
    let calls = RefCell::new(Vec::new());
    let counted = |indices: &[usize]| {
        calls.borrow_mut().push(indices.to_vec());
        compute(indices)
    };
    let cache = cache(5, u64::MAX);
    cache.rows("a", LEN, &[3, 4], counted).expect("computes");
    // The check of two orders, then every sample once.
    assert_eq!(calls.borrow().len(), 2 + LEN.div_ceil(5));
    assert!(calls.borrow().iter().all(|batch| batch.len() == 5));
    cache
        .rows("a", LEN, &[9, 4, 22], counted)
        .expect("computes");
    assert_eq!(calls.borrow().len(), 2 + LEN.div_ceil(5));
    // Another set is another one.
    cache.rows("b", 2, &[1], counted).expect("computes");
    assert_eq!(calls.borrow().len(), 2 + LEN.div_ceil(5) + 3);
}

#[test]
fn more_than_fits_is_kept() {
    let calls = RefCell::new(0);
    let counted = |indices: &[usize]| {
        *calls.borrow_mut() += 1;
        compute(indices)
    };
    // 32 bytes a sample.
    let small = cache(4, 32 * LEN as u64 - 1);
    for _ in 0..2 {
        let rows = small.rows("a", LEN, &[1, 2], counted).expect("computes");
        assert_eq!(data(rows), data(compute(&[1, 2]).expect("computes")));
    }
    assert_eq!(*calls.borrow(), 3);
    let enough = cache(4, 32 * LEN as u64);
    for _ in 0..2 {
        enough.rows("a", LEN, &[1, 2], counted).expect("computes");
    }
    assert_eq!(*calls.borrow(), 3 + 2 + LEN.div_ceil(4));
}

#[test]
fn device_that_mixes_samples_is_cached() {
    let cache = cache(4, u64::MAX);
    let mixed = |indices: &[usize]| {
        let parts = compute(indices)?;
        let shift = parts[0].clone().slice([0..1, 0..1, 0..1]);
        Ok(parts.into_iter().map(|part| part + shift.clone()).collect())
    };
    let error = cache.rows("a", LEN, &[1], mixed).expect_err("refused");
    assert!(error.to_string().contains("--no-prefix-cache"), "{error}");
}

/// With nothing in memory: rows are read, or computed.
const NO_MEMORY: Limits = Limits { device: 0, host: 0 };
const ON_HOST: Limits = Limits {
    device: 0,
    host: u64::MAX,
};
const ON_DEVICE: Limits = Limits {
    device: u64::MAX,
    host: 0,
};
const INDICES: [usize; 5] = [22, 0, 7, 7, 13];

#[test]
fn place_changes_rows_or_the_file_is_not_read() {
    let expected = data(compute(&INDICES).expect("computes"));
    let folder = tempfile::tempdir().expect("a folder");
    for limits in [NO_MEMORY, ON_HOST, ON_DEVICE] {
        for inner in ["first", "second"] {
            let place = match (limits.device, limits.host) {
                (0, 0) => Place::File,
                (0, _) => Place::Host,
                _ => Place::Device,
            };
            let at = folder.path().join(format!("{place:?}")).join("deep");
            let calls = RefCell::new(0);
            let counted = |indices: &[usize]| {
                *calls.borrow_mut() += 1;
                compute(indices)
            };
            let cache = cache_within(5, limits).in_pieces_of(100);
            cache.in_folder(at.clone(), "key".to_owned());
            for _ in 0..2 {
                let rows = cache.rows("set", LEN, &INDICES, counted).expect("computes");
                assert_eq!(data(rows), expected, "{place:?} {inner}");
            }
            assert_eq!(cache.place("set"), Some(place));
            // The check of two orders; all samples only where no file was there.
            let filled = if inner == "first" { LEN.div_ceil(5) } else { 0 };
            assert_eq!(*calls.borrow(), 2 + filled, "{place:?} {inner}");
            let names: Vec<_> = std::fs::read_dir(&at)
                .expect("the folder was made")
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            assert_eq!(names, ["key-set.rows"], "something else was left");
        }
    }
}

#[test]
fn host_is_passed_over() {
    let cache = cache_within(4, ON_HOST);
    let rows = cache.rows("set", LEN, &INDICES, compute).expect("computes");
    assert_eq!(data(rows), data(compute(&INDICES).expect("computes")));
    assert_eq!(cache.place("set"), Some(Place::Host));
    let cache = cache_within(4, NO_MEMORY);
    cache.rows("set", LEN, &INDICES, compute).expect("computes");
    assert_eq!(cache.place("set"), Some(Place::Nowhere));
}

/// Every bit of the header and of some rows, every length, other keys, sizes and programs.
#[test]
fn damaged_or_foreign_file_is_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key-set.rows");
    let read = |limits: Limits, micro_batch: usize, len: usize, offset: usize| {
        let cache = cache_within(micro_batch, limits);
        cache.in_folder(folder.path().to_owned(), "key".to_owned());
        let shifted = |indices: &[usize]| {
            let indices: Vec<usize> = indices.iter().map(|index| index + offset).collect();
            compute(&indices)
        };
        let indices: Vec<usize> = (0..len).collect();
        cache.rows("set", len, &indices, shifted).map(data)
    };
    let whole = read(NO_MEMORY, 5, LEN, 0).expect("it is written");
    let bytes = std::fs::read(&path).expect("it is there");
    let refused = |what: &str, limits: Limits, found: Result<Vec<TensorData>, ComputeError>| {
        let error = found.expect_err(what);
        let error = error.downcast_ref::<PrefixError>().expect("a PrefixError");
        let text = error.to_string();
        assert!(text.contains("key-set.rows"), "{what} {limits:?}: {text}");
        assert!(text.contains("delete it"), "{what} {limits:?}: {text}");
    };
    for limits in [NO_MEMORY, ON_HOST, ON_DEVICE] {
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, damaged).expect("it can be written");
            refused(
                &format!("bit in byte {at}"),
                limits,
                read(limits, 5, LEN, 0),
            );
        }
        for len in (0..bytes.len()).step_by(17).chain([bytes.len() - 1]) {
            std::fs::write(&path, &bytes[..len]).expect("it can be written");
            refused(&format!("length {len}"), limits, read(limits, 5, LEN, 0));
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        std::fs::write(&path, longer).expect("it can be written");
        refused("a byte more", limits, read(limits, 5, LEN, 0));
        std::fs::write(&path, &bytes).expect("it can be written");
        refused("another micro-batch", limits, read(limits, 4, LEN, 0));
        refused("fewer samples", limits, read(limits, 5, LEN - 1, 0));
        refused("another program", limits, read(limits, 5, LEN, 1));
        assert_eq!(read(limits, 5, LEN, 0).expect("it is whole"), whole);
    }
    // Two rows that have changed places.
    let rows = bytes.len() - (2 * 3 + 2) * 4 * LEN - 32 * LEN;
    let row = (2 * 3 + 2) * 4 + 32;
    let mut swapped = bytes.clone();
    swapped[rows + 9 * row..rows + 10 * row]
        .copy_from_slice(&bytes[rows + 10 * row..rows + 11 * row]);
    swapped[rows + 10 * row..rows + 11 * row]
        .copy_from_slice(&bytes[rows + 9 * row..rows + 10 * row]);
    std::fs::write(&path, swapped).expect("it can be written");
    refused("swapped rows", NO_MEMORY, read(NO_MEMORY, 5, LEN, 0));
}

#[test]
fn unfinished_file_is_left_or_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let calls = RefCell::new(0);
    let fails_late = |indices: &[usize]| {
        *calls.borrow_mut() += 1;
        match *calls.borrow() {
            1..5 => compute(indices),
            _ => Err("the device is gone".into()),
        }
    };
    let cache = cache_within(5, NO_MEMORY);
    cache.in_folder(folder.path().to_owned(), "key".to_owned());
    let error = cache
        .rows("set", LEN, &INDICES, fails_late)
        .expect_err("it fails");
    assert_eq!(error.to_string(), "the device is gone");
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        0
    );
    let rows = cache
        .rows("set", LEN, &INDICES, compute)
        .expect("once more");
    assert_eq!(data(rows), data(compute(&INDICES).expect("computes")));
}

#[test]
fn folder_that_cannot_be_written_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "no folder").expect("it can be written");
    let cache = cache_within(5, ON_DEVICE);
    cache.in_folder(taken, "key".to_owned());
    let error = cache
        .rows("set", LEN, &INDICES, compute)
        .expect_err("it fails");
    let text = error.to_string();
    assert!(
        text.contains("taken") && text.contains("give another folder"),
        "{text}"
    );
}
