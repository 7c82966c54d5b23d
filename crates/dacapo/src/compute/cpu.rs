use burn::backend::Autodiff;
use burn_flex::{Flex, FlexDevice};
use dacapo_ops::Precision;

use super::{Compute, DeviceFacts};
use crate::CliError;

/// The CPU backend that training runs on.
pub type Cpu = Autodiff<Flex>;

impl Compute for Cpu {
    fn facts(_device: &FlexDevice, precision: Precision) -> DeviceFacts {
        DeviceFacts {
            device: "cpu".to_owned(),
            precision: precision.to_string(),
            kernel_plan: "fixed".to_owned(),
        }
    }

    fn check_precision(_device: &FlexDevice, precision: Precision) -> Result<(), CliError> {
        match precision {
            Precision::F32 => Ok(()),
            _ => Err(CliError::input(
                format!("run.precision = {precision} is a precision of GPUs; the CPU has f32 only"),
                "Use --device cuda:0, or set run.precision = \"f32\"",
            )),
        }
    }
}
