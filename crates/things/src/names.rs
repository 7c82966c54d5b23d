//! Checks of a list of image names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use crate::ThingsError;

/// At least one name, all different, and each that of a file right in a folder.
pub(crate) fn check_names(names: &[String]) -> Result<(), ThingsError> {
    if names.is_empty() {
        return Err(ThingsError::Content {
            origin: "image names".to_owned(),
            expected: "at least one".to_owned(),
            found: "none".to_owned(),
            advice: "Give the names of a file of targets",
        });
    }
    let mut earlier = BTreeMap::new();
    for (position, name) in (1..).zip(names) {
        let refuse = |expected, found, advice| {
            Err(ThingsError::Name {
                position,
                image: name.clone(),
                expected,
                found,
                advice,
            })
        };
        let mut parts = Path::new(name).components();
        let plain = matches!(parts.next(), Some(Component::Normal(part)) if part == name.as_str());
        if !plain || parts.next().is_some() || name.contains(['/', '\\']) {
            let found = "no name or a path".to_owned();
            return refuse("the name of a file", found, "Give names without folders");
        }
        if name.chars().any(char::is_control) {
            let found = "one with control characters".to_owned();
            return refuse("the name of a file", found, "Correct the name");
        }
        if let Some(earlier) = earlier.insert(name, position) {
            let found = format!("that of name {earlier}");
            return refuse("a name of its own", found, "Remove one of the two");
        }
    }
    Ok(())
}

/// Where the folder has each of `names`, to the letter on every system: in it, or in the
/// subfolder of its concept, as THINGS is published. It may have more.
pub(crate) fn locate(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>, ThingsError> {
    let mut files = list(folder)?;
    let concepts: BTreeSet<&str> = names.iter().filter_map(|name| concept(name)).collect();
    let mut in_concepts = BTreeSet::new();
    for concept in concepts {
        let subfolder = folder.join(concept);
        if files.contains(concept) && subfolder.is_dir() {
            in_concepts.append(&mut list(&subfolder)?);
        }
    }
    let mut paths = Vec::with_capacity(names.len());
    let mut absent = Vec::new();
    for name in names {
        match concept(name) {
            _ if files.contains(name) => paths.push(folder.join(name)),
            Some(concept) if in_concepts.contains(name) => {
                paths.push(folder.join(concept).join(name));
            }
            _ => absent.push(name),
        }
    }
    if absent.is_empty() {
        return Ok(paths);
    }
    files.append(&mut in_concepts);
    let alike: BTreeMap<String, &String> = files.iter().map(|file| (stem(file), file)).collect();
    let missing = absent.into_iter().map(|name| {
        let near = alike.get(&stem(name)).map(|file| (*file).clone());
        (name.clone(), near)
    });
    Err(ThingsError::Missing {
        folder: folder.to_owned(),
        expected: names.len(),
        missing: missing.collect(),
        advice: "Put them there, or into folders of their concepts, under these very names, or give \
                 the folder that they lie in",
    })
}

/// `aardvark` of `aardvark_01b.jpg`.
fn concept(name: &str) -> Option<&str> {
    name.rsplit_once('_').map(|(concept, _)| concept)
}

fn list(folder: &Path) -> Result<BTreeSet<String>, ThingsError> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|source| ThingsError::Io {
        path: folder.to_owned(),
        expected: "a folder that can be read",
        advice: "Give the folder that the images lie in",
        source,
    })?;
    let names = entries
        .into_iter()
        .map(|entry| entry.file_name().into_string());
    Ok(names.filter_map(Result::ok).collect())
}

/// What names that differ in capitals or the extension have in common.
fn stem(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}
