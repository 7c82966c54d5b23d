use std::path::PathBuf;

/// Something in a run folder that is not as it should be.
pub(super) struct Finding {
    /// From the run folder on.
    pub(super) place: PathBuf,
    pub(super) problem: String,
    pub(super) mend: Mend,
}

/// What is to be done about it.
pub(super) enum Mend {
    /// A pointer is set.
    PointTo { pointer: &'static str, name: String },
    /// A file is moved to `damaged/`, or removed; then a pointer is set in its place.
    SetAside {
        then: Option<(&'static str, String)>,
    },
    /// The file is written anew.
    Write(Vec<u8>),
    /// Nothing needs to be done.
    Leave { may_be_deleted: bool },
}

impl Finding {
    /// Whether the run cannot go on, or not as it should, without it.
    pub(super) fn is_to_mend(&self) -> bool {
        !matches!(self.mend, Mend::Leave { .. })
    }

    /// A pointer and the configuration are kept in any case: they say what was.
    pub(super) fn is_kept_from_deletion(&self) -> bool {
        !self.place.starts_with("checkpoints")
    }

    /// What is done, with or without leave to delete.
    pub(super) fn action(&self, delete: bool) -> String {
        match &self.mend {
            Mend::PointTo { name, .. } => format!("now names {name}"),
            Mend::SetAside { then } => {
                let moved = match delete && !self.is_kept_from_deletion() {
                    true => "deleted".to_owned(),
                    false => "moved to damaged/".to_owned(),
                };
                match then {
                    Some((pointer, name)) => format!("{moved}; {pointer} now names {name}"),
                    None => moved,
                }
            }
            Mend::Write(_) => "written anew".to_owned(),
            Mend::Leave {
                may_be_deleted: true,
            } if delete => "deleted".to_owned(),
            Mend::Leave {
                may_be_deleted: true,
            } => "left alone; --delete removes it".to_owned(),
            Mend::Leave {
                may_be_deleted: false,
            } => "left alone".to_owned(),
        }
    }
}
