use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use dacapo_things::ThingsImages;

/// Images that the next step asks for, made into numbers by another thread while a device computes:
/// the same numbers, whether they are there in time or not.
#[derive(Default)]
pub(super) struct LoadedAhead(Mutex<Option<Ahead>>);

struct Ahead {
    indices: Vec<usize>,
    loading: Loading,
}

enum Loading {
    Running(JoinHandle<Vec<f32>>),
    Done(Vec<f32>),
}

impl LoadedAhead {
    /// Begins to load `indices`, in place of what was loaded before.
    pub(super) fn begin(&self, images: &Arc<ThingsImages>, indices: Vec<usize>) {
        let (images, wanted) = (Arc::clone(images), indices.clone());
        let thread = thread::Builder::new().name("images".to_owned());
        let running = thread.spawn(move || normalised(&images, &wanted));
        // Without a thread they are loaded when they are asked for.
        *self.state() = running.ok().map(|running| Ahead {
            indices,
            loading: Loading::Running(running),
        });
    }

    /// The images `indices`, one after another.
    pub(super) fn batch(&self, images: &ThingsImages, indices: &[usize]) -> Vec<f32> {
        let found = self.find(indices);
        found.unwrap_or_else(|| normalised(images, indices))
    }

    /// If all of them were loaded ahead.
    fn find(&self, indices: &[usize]) -> Option<Vec<f32>> {
        let mut state = self.state();
        let ahead = state.as_ref()?;
        let place = |index: &usize| ahead.indices.iter().position(|ahead| ahead == index);
        let places: Vec<usize> = indices.iter().map(place).collect::<Option<_>>()?;
        let Ahead { indices, loading } = state.take()?;
        let pixels = match loading {
            Loading::Running(running) => running.join().ok()?,
            Loading::Done(pixels) => pixels,
        };
        if places.iter().copied().eq(0..indices.len()) {
            return Some(pixels);
        }
        let image = pixels.len() / indices.len();
        let chosen = places.iter().map(|place| &pixels[place * image..][..image]);
        let chosen = chosen.collect::<Vec<_>>().concat();
        *state = Some(Ahead {
            indices,
            loading: Loading::Done(pixels),
        });
        Some(chosen)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Option<Ahead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The images as CLIP takes them.
pub(super) fn normalised(images: &ThingsImages, indices: &[usize]) -> Vec<f32> {
    images.batch(indices, ThingsImages::MEAN, ThingsImages::STD)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use dacapo_things::write_stand_ins;

    use super::*;

    /// Six images, each another.
    fn images() -> Arc<ThingsImages> {
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<String> = (0..6).map(|at| format!("image{at}.png")).collect();
        write_stand_ins(folder.path(), &names, |_, _| {}).expect("written");
        let loaded = ThingsImages::load(folder.path(), &names, 8, NonZeroUsize::MIN, |_, _| {});
        Arc::new(loaded.expect("images"))
    }

    #[test]
    fn images_loaded_ahead_are_others() {
        let images = images();
        let ahead = LoadedAhead::default();
        let wanted = |indices: &[usize]| normalised(&images, indices);
        assert_eq!(
            ahead.batch(&images, &[3, 1]),
            wanted(&[3, 1]),
            "nothing was loaded"
        );
        ahead.begin(&images, vec![5, 0, 2]);
        // Parts of what was loaded, some twice; then all; then others.
        for indices in [&[0, 2, 2][..], &[5], &[5, 0, 2], &[5, 0, 2], &[1, 5]] {
            assert_eq!(
                ahead.batch(&images, indices),
                wanted(indices),
                "{indices:?}"
            );
        }
        ahead.begin(&images, vec![4]);
        ahead.begin(&images, vec![3]);
        assert_eq!(ahead.batch(&images, &[4]), wanted(&[4]));
        assert_eq!(ahead.batch(&images, &[3]), wanted(&[3]));
    }
}
