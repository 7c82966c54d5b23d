//! Rows that are kept are those that are computed.

use std::{cell::RefCell, num::NonZeroUsize};

use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use dacapo_prefix::{ComputeError, PrefixCache};

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

fn cache(micro_batch: usize, limit: u64) -> PrefixCache<Flex> {
    PrefixCache::new(NonZeroUsize::new(micro_batch).expect("not zero"), limit)
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
