use std::str::FromStr;

/// Where to compute, as `--device` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// `cpu`.
    Cpu,
    /// `cuda:N`, the N-th GPU that the driver shows; `cuda` is the first.
    Cuda(usize),
    /// `cuda:local`, the GPU whose number is that of this process among those of a run on one
    /// machine; the first for a process alone.
    CudaLocal,
}

impl DeviceName {
    /// The device of the process with this number on its machine.
    pub(crate) fn of_rank(self, local_rank: usize) -> Self {
        match self {
            Self::CudaLocal => Self::Cuda(local_rank),
            Self::Cpu | Self::Cuda(_) => self,
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            "cuda:local" => return Ok(Self::CudaLocal),
            text => text.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
        };
        index.map(Self::Cuda).ok_or_else(|| {
            format!("{text:?} is no device; use cpu or cuda:N, for example cuda:0, or cuda:local")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_misread() {
        assert_eq!("cpu".parse(), Ok(DeviceName::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceName::Cuda(3)));
        assert_eq!("cuda:local".parse(), Ok(DeviceName::CudaLocal));
        let local = |device: DeviceName| device.of_rank(2);
        assert_eq!(local(DeviceName::CudaLocal), DeviceName::Cuda(2));
        assert_eq!(local(DeviceName::Cuda(1)), DeviceName::Cuda(1));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(wrong.parse::<DeviceName>().is_err(), "{wrong}");
        }
    }
}
