use std::path::Path;

use dacapo_models::{ClipTokenizer, TokenBatch};
use dacapo_things::Targets;

use super::quoted::quoted;
use crate::{CliError, config::ClipHbaConfig};

/// The prompts that `config` names, tokenized for a model of these sizes.
///
/// # Errors
/// Merges of another vocabulary; a file that cannot be read, or does not hold a prompt for each
/// value of a target.
pub(super) fn read_prompts(
    config: &ClipHbaConfig,
    context: usize,
    vocabulary: usize,
) -> Result<TokenBatch, CliError> {
    let tokenizer = ClipTokenizer::read(Path::new(&config.merges), context)?;
    if tokenizer.vocabulary() != vocabulary {
        return Err(CliError::input(
            format!(
                "clip.merges makes a vocabulary of {} tokens, but the model has {vocabulary}",
                tokenizer.vocabulary()
            ),
            "Give the merges that belong to the model",
        ));
    }
    let unreadable = |why: String| {
        CliError::input(
            format!("clip.prompts: cannot read {}: {why}", config.prompts),
            "Give a text file with a prompt a line",
        )
    };
    // Opening a pipe would wait for its other end.
    let kind = std::fs::metadata(&config.prompts).map_err(|error| unreadable(error.to_string()))?;
    if !kind.is_file() {
        return Err(unreadable("it is a folder, a pipe or the like".to_owned()));
    }
    let text =
        std::fs::read_to_string(&config.prompts).map_err(|error| unreadable(error.to_string()))?;
    let prompts: Vec<&str> = text.lines().collect();
    // Both would become tokens that nobody sees.
    let odd = |c: char| c.is_control() || c == '\u{feff}';
    if let Some(line) = prompts.iter().position(|prompt| prompt.contains(odd)) {
        return Err(CliError::input(
            format!(
                "clip.prompts: {}: line {}: expected text, found {}",
                config.prompts,
                line + 1,
                quoted(prompts[line])
            ),
            "Remove the byte-order mark or the control character: save it as plain UTF-8",
        ));
    }
    let empty = prompts.iter().position(|prompt| prompt.trim().is_empty());
    if prompts.len() != Targets::DIMENSIONS || empty.is_some() {
        let found = match empty {
            Some(line) => format!("line {} is empty", line + 1),
            None => format!("{} lines", prompts.len()),
        };
        return Err(CliError::input(
            format!(
                "clip.prompts: expected {} prompts in {}, a line each: {found}",
                Targets::DIMENSIONS,
                config.prompts
            ),
            "Give one for each value of a target, in their order",
        ));
    }
    Ok(tokenizer.tokenize(&prompts)?)
}
