//! Which launcher has started this process, as its environment says.

/// What launchers say of how many processes they have started: Open MPI; MPICH, Intel MPI and `srun`
/// with PMI-2. `srun` says its own for every job step.
const SIZES: [&str; 4] = [
    "OMPI_COMM_WORLD_SIZE",
    "PMI_SIZE",
    "MPI_LOCALNRANKS",
    "SLURM_STEP_NUM_TASKS",
];

/// How many processes were started together, and which variable says so; `None` without a launcher.
pub(super) fn processes() -> Option<(usize, &'static str)> {
    told(|name| std::env::var(name).ok())
}

fn told(value: impl Fn(&str) -> Option<String>) -> Option<(usize, &'static str)> {
    // A batch script is a step of one task, which has no rank in a job step of `srun`'s.
    let batch = value("SLURM_STEP_ID").is_some_and(|step| step == "4294967291")
        || value("SLURM_PROCID").is_none();
    let names = SIZES
        .into_iter()
        .filter(|name| !(batch && name.starts_with("SLURM")));
    names
        .filter_map(|name| Some((value(name)?.trim().parse().ok()?, name)))
        .max_by_key(|(count, _)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(environment: &[(&str, &str)]) -> Option<(usize, &'static str)> {
        told(|name| {
            let mut pairs = environment.iter();
            pairs
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1.to_owned())
        })
    }

    #[test]
    fn launcher_is_overlooked() {
        assert_eq!(of(&[]), None);
        let open_mpi = [("OMPI_COMM_WORLD_SIZE", "4")];
        assert_eq!(of(&open_mpi), Some((4, "OMPI_COMM_WORLD_SIZE")));
        assert_eq!(of(&[("PMI_SIZE", "2")]), Some((2, "PMI_SIZE")));
        let srun = [
            ("SLURM_STEP_NUM_TASKS", "8"),
            ("SLURM_PROCID", "3"),
            ("SLURM_STEP_ID", "0"),
        ];
        assert_eq!(of(&srun), Some((8, "SLURM_STEP_NUM_TASKS")));
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "four")]), None);
    }

    #[test]
    fn batch_script_is_taken_for_several_processes() {
        // What sbatch gives to the script itself, of a job with eight tasks.
        let batch = [
            ("SLURM_NTASKS", "8"),
            ("SLURM_STEP_NUM_TASKS", "1"),
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_ID", "4294967291"),
        ];
        assert_eq!(of(&batch), None);
    }
}
