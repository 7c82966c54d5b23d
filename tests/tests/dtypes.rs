//! Tensors keep their dtype and their bits through a checkpoint file, whatever they are.

mod points;

use burn::tensor::{DType, TensorData};
use burn_flex::Flex;
use dacapo::trainer::{RunFolder, TrainerRecord};

use points::{ODD, resume, start, take};

fn through_a_file(record: TrainerRecord) -> TrainerRecord {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = RunFolder::new(folder.path());
    run.save::<Flex>("state", record, false)
        .expect("it is written");
    run.load("state").expect("it is read")
}

#[test]
fn double_precision_is_rounded_by_a_checkpoint() {
    let mut straight = start();
    while straight.step().expect("a step").is_some() {}
    let end = take(&straight);
    let slope = &end.adapters["slope"];
    assert_eq!(slope.dtype, DType::F64);
    let rounded = slope
        .iter::<f64>()
        .all(|value| f64::from(value as f32) == value);
    assert!(
        !rounded,
        "the test needs values that f32 cannot hold: {slope:?}"
    );

    for stop in 1..9 {
        let mut first = start();
        for _ in 0..stop {
            first.step().expect("a step");
        }
        let mut second = resume(through_a_file(take(&first)));
        while second.step().expect("a step").is_some() {}
        let resumed = take(&second);
        assert_eq!(resumed.adapters, end.adapters, "stopped after step {stop}");
        assert_eq!(resumed.optimizer, end.optimizer);
        assert_eq!(resumed.run, end.run);
        let moments = &resumed.optimizer.adamw().expect("as configured").params["slope"];
        assert_eq!(moments.exp_avg.dtype, DType::F64);
        assert_eq!(moments.exp_avg_sq.dtype, DType::F64);
    }
}

#[test]
fn half_precision_or_nan_payload_of_a_buffer_is_converted() {
    let expected: Vec<u8> = ODD.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let mut trainer = start();
    trainer.step().expect("a step");
    let trainer = resume(through_a_file(take(&trainer)));
    let buffer = &take(&trainer).buffers["running_odd"];
    assert_eq!(buffer.dtype, DType::BF16);
    assert_eq!(buffer.as_bytes(), expected);
}

#[test]
fn bits_of_any_dtype_change_in_a_file() {
    // Patterns that number conversions would normalise: quiet and signalling NaNs with
    // payloads, subnormals, -0, integers beyond 2^53.
    let f32s: Vec<u8> = [0x7f80_0001_u32, 0xffc1_2345, 0x0000_0001, 0x8000_0000]
        .iter()
        .flat_map(|bits| bits.to_le_bytes())
        .collect();
    let f64s: Vec<u8> = [0x7ff0_0000_0000_0001_u64, 0xfff8_dead_beef_0001, 1, 1 << 63]
        .iter()
        .flat_map(|bits| bits.to_le_bytes())
        .collect();
    let f16s: Vec<u8> = [0x7c01_u16, 0xfe55, 1, 0x8000]
        .iter()
        .flat_map(|bits| bits.to_le_bytes())
        .collect();
    let wide: Vec<u8> = [u64::MAX, (1 << 53) + 1, 0, 1 << 63]
        .iter()
        .flat_map(|bits| bits.to_le_bytes())
        .collect();
    let cases = [
        ("f32", DType::F32, f32s),
        ("f64", DType::F64, f64s),
        ("f16", DType::F16, f16s.clone()),
        ("bf16", DType::BF16, f16s),
        ("i64", DType::I64, wide.clone()),
        ("u64", DType::U64, wide),
        ("u8", DType::U8, vec![0, 1, 128, 255]),
    ];
    let mut record = take(&start());
    for (name, dtype, bytes) in &cases {
        let data = TensorData::from_bytes_vec(bytes.clone(), [2, 2], *dtype);
        record.buffers.insert((*name).to_owned(), data);
    }
    record.early_stopping.best = Some(f64::from_bits(0x7ff8_0000_0000_0123));
    let hash = record.clone().state_hash::<Flex>().expect("a hash");
    let read = through_a_file(record);
    for (name, dtype, bytes) in &cases {
        let data = &read.buffers[*name];
        assert_eq!(data.dtype, *dtype, "{name}");
        assert_eq!(data.as_bytes(), bytes, "{name}");
        assert_eq!(data.shape.as_slice(), [2, 2], "{name}");
    }
    let best = read.early_stopping.best.expect("a value");
    assert_eq!(best.to_bits(), 0x7ff8_0000_0000_0123);
    assert_eq!(read.state_hash::<Flex>().expect("a hash"), hash);
}
