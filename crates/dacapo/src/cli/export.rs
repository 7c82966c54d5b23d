use dacapo_peft::{MagnitudeKey, PeftFiles};
use dacapo_trainer::TrainerRecord;
use serde_json::json;

use super::{
    args::{ExportArgs, ExportFormat, MagnitudeName},
    checkpoint_file::{read_payload, resolve},
    new_files::write_new_files,
    output::{print, print_json},
    run_checkpoint::RunCheckpoint,
};
use crate::{
    CliError,
    clip_hba::dora_params,
    exchange::{Head, TrainedModel, base_name, peft_adapter},
};

pub(crate) fn export(args: &ExportArgs) -> Result<i32, CliError> {
    match args.format {
        ExportFormat::ClipHba => clip_hba(args),
        ExportFormat::Peft => peft(args),
    }
}

fn clip_hba(args: &ExportArgs) -> Result<i32, CliError> {
    if args.magnitude_key.is_some() || args.base_model.is_some() {
        return Err(CliError::input(
            "--magnitude-key and --base-model have no meaning with --format clip-hba",
            "Leave them out",
        ));
    }
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
    let name = format!("epoch{epoch}_dora_params.pth");
    let file = args.out.join("dora_params").join(name);
    write_new_files(&[(file.clone(), bytes)])?;
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

fn peft(args: &ExportArgs) -> Result<i32, CliError> {
    let run = RunCheckpoint::read(&args.file)?;
    let trained = TrainedModel::rebuild(&run.config, &run.record)?;
    let base = match &args.base_model {
        Some(name) => name.clone(),
        None => base_name(trained.weights())?,
    };
    let adapter = peft_adapter(&trained, &run.config.adapt, base.clone())?;
    let PeftFiles { config, weights } = adapter.to_files(match args.magnitude_key {
        None | Some(MagnitudeName::Plain) => MagnitudeKey::Plain,
        Some(MagnitudeName::Weight) => MagnitudeKey::Weight,
    })?;
    let path = |name: &str| args.out.join(name);
    let mut files = vec![(path(PeftFiles::WEIGHTS), weights)];
    if let Some(head) = &trained.head {
        files.push((path(Head::FILE), head.to_bytes()));
    }
    // The last: without it no program takes the folder for an adapter.
    files.push((path(PeftFiles::CONFIG), config));
    write_new_files(&files)?;

    let names: Vec<_> = files.iter().rev().map(|(path, _)| path).collect();
    let (layers, step) = (adapter.layers().len(), run.record.run.global_step);
    match args.json {
        true => print_json(&json!({
            "files": names,
            "step": step,
            "layers": layers,
            "base_model_name_or_path": base,
        }))?,
        false => {
            let folder = args.out.display();
            let mut out = format!(
                "{folder}: {layers} adapted layers of {} after step {step}, for\n  \
                 PeftModel.from_pretrained(model, {:?}), the base model being {base:?}\n",
                run.path.display(),
                folder.to_string()
            );
            if trained.head.is_some() {
                out.push_str(&format!(
                    "{}: the head, which is no part of that model\n",
                    path(Head::FILE).display()
                ));
            }
            print(&out)?;
        }
    }
    Ok(0)
}
