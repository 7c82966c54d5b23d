use serde_json::json;

use super::{
    args::MergeArgs,
    new_files::{check_new, write_new_files},
    output::{print, print_json},
    run_checkpoint::RunCheckpoint,
};
use crate::{CliError, exchange::TrainedModel};

const ENDING: &str = "safetensors";

pub(crate) fn merge(args: &MergeArgs) -> Result<i32, CliError> {
    if args.out.extension().is_none_or(|ending| ending != ENDING) {
        return Err(CliError::input(
            format!(
                "--out {} is no name of a file of safetensors",
                args.out.display()
            ),
            "Let it end with .safetensors",
        ));
    }
    check_new(&args.out)?;
    let run = RunCheckpoint::read(&args.file)?;
    let trained = TrainedModel::rebuild(&run.config, &run.record)?;
    let mut files = Vec::new();
    if let Some(head) = &trained.head {
        let path = args.out.with_extension(format!("head.{ENDING}"));
        files.push((path, head.to_bytes()));
    }
    files.push((args.out.clone(), trained.merged_weights()?));
    write_new_files(&files)?;

    let names: Vec<_> = files.iter().rev().map(|(path, _)| path).collect();
    let (layers, others) = (trained.layers.len(), trained.others.len());
    let step = run.record.run.global_step;
    match args.json {
        true => print_json(&json!({
            "files": names,
            "step": step,
            "merged_layers": layers,
            "other_trained_tensors": others,
            "original": trained.weights(),
        }))?,
        false => {
            let others = match others {
                0 => String::new(),
                others => format!(", {others} other trained tensors"),
            };
            let mut out = format!(
                "{}: {} after step {step}, {layers} layers merged{others}\n",
                args.out.display(),
                trained.weights().display()
            );
            for path in &names[1..] {
                out.push_str(&format!(
                    "{}: the head, which is no part of that model\n",
                    path.display()
                ));
            }
            print(&out)?;
        }
    }
    Ok(0)
}
