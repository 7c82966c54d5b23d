//! Every flavour against PyTorch float64 (`golden/dora.py`, whose cases of Peft and of
//! LoRA the `peft` package confirmed): outputs, merged weights and every gradient.

mod common;

use burn::tensor::DType;
use common::golden::{check, golden};
use common::{Ad, device};

#[test]
fn formulas_differ_from_pytorch_in_f64() {
    check::<Ad>(|_| true, DType::F64, 1e-10, &device());
}

#[test]
fn formulas_differ_from_pytorch_in_f32() {
    check::<Ad>(|_| true, DType::F32, 1e-5, &device());
}

#[test]
fn golden_file_was_not_checked_against_the_peft_package() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 22);
    assert!(golden.peft.is_some() && golden.checked_against_peft >= 9);
}
