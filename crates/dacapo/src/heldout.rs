use std::path::Path;

use dacapo_rsa::Rdm;
use dacapo_things::Targets;

use crate::CliError;

/// Objects that are not trained on, and how unlike people judge them to be.
pub(crate) struct Heldout {
    pub(crate) targets: Targets,
    pub(crate) reference: Rdm,
}

impl Heldout {
    /// Of the files that `rsa_targets` and `rsa_rdm` in a section of the configuration name; none
    /// if it names neither.
    pub(crate) fn read(
        section: &str,
        targets: Option<&str>,
        rdm: Option<&str>,
    ) -> Result<Option<Self>, CliError> {
        let (targets, rdm) = match (targets, rdm) {
            (Some(targets), Some(rdm)) => (Targets::read_things_csv(targets)?, rdm),
            (None, None) => return Ok(None),
            _ => {
                return Err(CliError::input(
                    format!("of {section}.rsa_targets and {section}.rsa_rdm one is missing"),
                    "Give both for the behavioural RSA, or neither",
                ));
            }
        };
        let reference = match Path::new(rdm).extension().is_some_and(|end| end == "csv") {
            true => Rdm::read_csv(rdm)?,
            false => Rdm::read_mat(rdm, None)?,
        };
        if reference.size() != targets.len() {
            return Err(CliError::input(
                format!(
                    "{section}.rsa_rdm has {} rows, but {section}.rsa_targets {} images",
                    reference.size(),
                    targets.len()
                ),
                "Give a matrix and a table of the same images in the same order",
            ));
        }
        Ok(Some(Self { targets, reference }))
    }
}
