//! How much memory reading takes. Alone in its program: the allocator counts all threads.

mod common;

use common::{files, with_header};
use dacapo_peft::{PeftAdapter, PeftConfig};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What `read` takes at most for files of `len` bytes together: 48 bytes for each, and 2 MiB for
/// settings, patterns and messages.
#[track_caller]
fn assert_bounded<T>(len: usize, read: impl FnOnce() -> T) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = read();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    drop(value);
    let allowed = 48 * len + (2 << 20);
    assert!(taken <= allowed, "{taken} bytes for {len}, not {allowed}");
}

#[test]
fn small_file_takes_much_memory() {
    let config = files("dora").0;
    let read = |weights: Vec<u8>| {
        assert_bounded(config.len() + weights.len(), || {
            assert!(PeftAdapter::from_bytes(&config, &weights).is_err());
        });
    };
    // Lengths and shapes that are not there.
    for length in [99_000_000_u64, 1 << 40] {
        read([&length.to_le_bytes()[..], b"{}"].concat());
    }
    for shape in ["[1000000,1000]", "[0,4294967296]", "[65536,65536]"] {
        for end in ["0", "8", "4000000000"] {
            let info = format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}"#);
            let header = format!(r#"{{"q.lora_A.weight":{info}}}"#);
            read(with_header(&header, &[0; 8]));
        }
    }
    // Many tensors without values, many dimensions, many remarks.
    let info = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let tensors = |name: fn(usize) -> String| {
        let tensors = (0..20_000).map(|n| format!(r#""{}":{info}"#, name(n)));
        with_header(
            &format!("{{{}}}", tensors.collect::<Vec<_>>().join(",")),
            &[],
        )
    };
    read(tensors(|n| n.to_string()));
    read(tensors(|n| format!("m{n}.lora_A.weight")));
    let ones = vec!["1"; 500_000].join(",");
    let info = format!(r#"{{"dtype":"F32","shape":[{ones}],"data_offsets":[0,4]}}"#);
    read(with_header(
        &format!(r#"{{"q.lora_A.weight":{info}}}"#),
        &[0; 4],
    ));
    let zeros = vec!["0"; 500_000].join(",");
    read(with_header(
        &format!(r#"{{"__metadata__":[{zeros}]}}"#),
        &[],
    ));

    let settings = |keys: String| {
        let text =
            format!(r#"{{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":["q"],{keys}}}"#);
        assert_bounded(text.len(), || PeftConfig::from_json(text.as_bytes()));
    };
    settings(format!(r#""eva_config":[{zeros}]"#));
    settings(format!(r#""layers_to_transform":[{zeros}]"#));
    settings(format!(r#""bias":[{zeros}]"#));
    let table = (0..20_000).map(|n| format!(r#""m.{n}":1"#));
    let table = table.collect::<Vec<_>>().join(",");
    settings(format!(r#""rank_pattern":{{{table}}}"#));
    settings(r#""target_modules_":null,"exclude_modules":"(\\w{1,9}){1,99}""#.to_owned());
}
