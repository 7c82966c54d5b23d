use burn::backend::Autodiff;
use burn_flex::{Flex, FlexDevice};

use super::{Compute, DeviceFacts};

/// The CPU backend that training runs on.
pub type Cpu = Autodiff<Flex>;

impl Compute for Cpu {
    fn facts(_device: &FlexDevice) -> DeviceFacts {
        DeviceFacts {
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            kernel_plan: "fixed".to_owned(),
        }
    }
}
