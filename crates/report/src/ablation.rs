use serde::{Deserialize, Deserializer, Serialize};

use crate::{AblationBaseline, AblationCase, ReportError};

/// What follows from leaving out parts of the state when a run is gone on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// The format's number, [`Ablation::FORMAT`].
    pub format: u64,
    /// The command that made it.
    pub command: String,
    /// Epochs that were asked for.
    pub epochs: u64,
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: u64,
    /// The run with its whole state.
    pub baseline: AblationBaseline,
    /// A resume point and a part that was left out each.
    pub cases: Vec<AblationCase>,
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

impl Ablation {
    /// The format that these types are.
    pub const FORMAT: u64 = 1;

    /// Reads the JSON text of an ablation; `origin` says in errors where it comes from.
    ///
    /// # Errors
    /// Names what is no JSON, of another format, missing, unknown or of the wrong type.
    pub fn from_json(origin: &str, text: &[u8]) -> Result<Self, ReportError> {
        // The number first: another format has other fields.
        let Format { format } = read(origin, text)?;
        if format != Self::FORMAT {
            return Err(ReportError::Ablation {
                origin: origin.to_owned(),
                place: "format".to_owned(),
                expected: format!("{}", Self::FORMAT),
                found: format!("{format}"),
                advice: "Use the version of dacapo that wrote it, or make it anew with this one",
            });
        }
        read(origin, text)
    }
}

fn read<'a, T: Deserialize<'a>>(origin: &str, text: &'a [u8]) -> Result<T, ReportError> {
    let refuse = |place: String, found: String| ReportError::Ablation {
        origin: origin.to_owned(),
        place,
        expected: format!("an ablation of format {}", Ablation::FORMAT),
        found,
        advice: "Make the ablation anew, or correct the file",
    };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = match path.as_str() {
            "." => "the whole".to_owned(),
            _ => path,
        };
        refuse(place, error.inner().to_string())
    })?;
    let end = reader.end();
    end.map_err(|error| refuse("after the end".to_owned(), error.to_string()))?;
    Ok(value)
}

/// JSON has no word for a number that is not finite: writers put `null`.
pub(crate) fn number_or_null<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(reader)?.unwrap_or(f64::NAN))
}
