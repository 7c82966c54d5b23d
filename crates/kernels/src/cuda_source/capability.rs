use std::sync::OnceLock;

use cudarc::driver::{result::device, sys::CUdevice_attribute};

/// Major and minor number of the GPU's instruction set; `None` if the driver does not tell. Of the first
/// GPUs it is asked once: every product wants to know.
pub(crate) fn compute_capability(index: usize) -> Option<(i32, i32)> {
    static KNOWN: [OnceLock<Option<(i32, i32)>>; 16] = [const { OnceLock::new() }; 16];
    match KNOWN.get(index) {
        Some(known) => *known.get_or_init(|| ask(index)),
        None => ask(index),
    }
}

fn ask(index: usize) -> Option<(i32, i32)> {
    use CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    cudarc::driver::result::init().ok()?;
    let device = device::get(index.try_into().ok()?).ok()?;
    // SAFETY: the device is one that the driver has just named.
    #[allow(unsafe_code)]
    let attribute = |which| unsafe { device::get_attribute(device, which) }.ok();
    Some((attribute(MAJOR)?, attribute(MINOR)?))
}
