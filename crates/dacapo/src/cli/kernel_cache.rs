//! Where compiled GPU kernels are kept, so that a process need not compile them again.

use std::{
    path::{Path, PathBuf},
    sync::Once,
    time::SystemTime,
};

use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};

/// How many programs and GPUs keep their kernels.
const KEPT: usize = 4;

/// Configures CubeCL for this process, explicitly: otherwise it would look for a `cubecl.toml`
/// above the working folder and for variables, either of which could change kernels.
///
/// With `folder`, kernels compiled for `keys` are looked for and kept there.
pub(crate) fn configure(folder: Option<PathBuf>, keys: &[&[u8]]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::default();
        config.compilation.cache = folder.and_then(|folder| {
            let own = folder.join(key(keys)?);
            std::fs::create_dir_all(&own).ok()?;
            prune(&folder, &own);
            tracing::info!(folder = %own.display(), "compiled kernels are kept");
            Some(CacheConfig::File(own))
        });
        CubeClRuntimeConfig::set(config);
    });
}

/// `dacapo/kernels` in the user's cache folder, if there is one.
pub(crate) fn folder() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        // Windows has neither.
        .or_else(|| absolute("LOCALAPPDATA"))?;
    Some(caches.join("dacapo").join("kernels"))
}

/// A hash of everything that decides what a kernel compiles to.
///
/// CubeCL finds a kernel by its Rust type and settings only. What the type's code is follows
/// from this program, so its bytes are hashed: another build never finds these kernels.
fn key(keys: &[&[u8]]) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&std::fs::read(std::env::current_exe().ok()?).ok()?);
    for key in keys {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
    }
    Some(hasher.finalize().to_hex()[..32].to_owned())
}

/// Removes all but the newest folders in `folder`, and never `own`.
fn prune(folder: &Path, own: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut others: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let is_ours = entry.file_name().to_str()?.len() == 32 && entry.path() != own;
            is_ours.then_some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(KEPT);
    for (_, path) in others.into_iter().take(surplus) {
        // A cache: what cannot be removed may stay.
        let _ = std::fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_another_gpu_or_compiler_are_found() {
        let (a, b): (&[u8], &[u8]) = (b"gpu", b"compiler");
        let keys = [
            key(&[a, b]),
            key(&[b, a]),
            key(&[a]),
            key(&[b"gpuc", b"ompiler"]),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().flatten().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(key(&[a, b]), keys[0]);
    }
}
