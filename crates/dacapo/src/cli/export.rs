use dacapo_record::{FsStorage, commit};
use dacapo_trainer::TrainerRecord;
use serde_json::json;

use super::{
    args::ExportArgs,
    checkpoint_file::{read_payload, resolve},
    output::{print, print_json},
};
use crate::{CliError, clip_hba::dora_params};

pub(crate) fn export(args: &ExportArgs) -> Result<i32, CliError> {
    let path = resolve(&args.file)?;
    let record = TrainerRecord::from_payload(&path, &read_payload(&path)?)?;
    let (params, epoch) = dora_params(&record)?;
    let tensors = params.len();
    let bytes = dacapo_pth::to_bytes(&params.into()).map_err(|error| {
        CliError::input(
            format!("the adapters cannot be written: {error}"),
            "Export another checkpoint",
        )
    })?;
    // Where `load_dora_checkpoint(model, OUT, epoch)` looks.
    let folder = args.out.join("dora_params");
    let file = folder.join(format!("epoch{epoch}_dora_params.pth"));
    if file.exists() {
        return Err(CliError::input(
            format!("{} exists already", file.display()),
            "Choose another --out, or move that file away",
        ));
    }
    std::fs::create_dir_all(&folder).map_err(|error| {
        CliError::input(
            format!("cannot make the folder {}: {error}", folder.display()),
            "Choose a folder that can be written to with --out",
        )
    })?;
    commit(&FsStorage, &file, &bytes)?;
    match args.json {
        true => print_json(&json!({ "file": file, "epoch": epoch, "tensors": tensors }))?,
        false => print(&format!(
            "{}: {tensors} tensors of the original's epoch {epoch}, for\n  \
             load_dora_checkpoint(model, {:?}, {epoch}, strict=False)\n",
            file.display(),
            args.out.display().to_string()
        ))?,
    }
    Ok(0)
}
