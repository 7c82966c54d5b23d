use std::{
    collections::BTreeMap,
    error::Error,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    Limits, Place, PrefixError,
    pieces::Pieces,
    row_file::{NewRowFile, RowFile, header},
    row_format::RowFormat,
};

/// Why a micro-batch could not be computed.
pub type ComputeError = Box<dyn Error + Send + Sync>;

/// Bytes that no tensor of kept rows exceeds by much.
const PIECE: usize = 512 << 20;

/// The rows that samples have at a cut of the forward pass, computed once per sample and kept, or
/// computed whenever they are asked for: with the same bits.
#[derive(Debug)]
pub struct PrefixCache<B: Backend> {
    micro_batch: NonZeroUsize,
    /// Bytes of a tensor of kept rows.
    piece: usize,
    state: Mutex<State<B>>,
}

#[derive(Debug)]
struct State<B: Backend> {
    keep: bool,
    limits: Limits,
    folder: Option<(PathBuf, String)>,
    sets: BTreeMap<String, Kept<B>>,
}

/// The rows of a set.
#[derive(Debug)]
enum Kept<B: Backend> {
    Device(Vec<Pieces<B>>),
    Host(RowFormat, Vec<Vec<u8>>, B::Device),
    File(RowFormat, RowFile, B::Device),
    Nowhere,
}

impl<B: Backend> PrefixCache<B> {
    /// An empty cache. Samples are computed `micro_batch` at a time: another number may give
    /// other bits. A set of samples for whose rows the limits leave no place is not kept.
    pub fn new(micro_batch: NonZeroUsize, limits: Limits) -> Self {
        Self {
            micro_batch,
            piece: PIECE,
            state: Mutex::new(State {
                keep: true,
                limits,
                folder: None,
                sets: BTreeMap::new(),
            }),
        }
    }

    /// The same with rows on the device in tensors of about so many bytes, 512 MiB if not told.
    /// No bit depends on it.
    pub fn in_pieces_of(self, bytes: usize) -> Self {
        Self {
            piece: bytes,
            ..self
        }
    }

    /// Whether rows are kept; what was kept is let go if not. No bit depends on it.
    pub fn keep(&self, keep: bool) {
        let mut state = self.state();
        state.keep = keep;
        if !keep {
            state.sets.clear();
        }
    }

    /// Keeps the rows of the sets that come within these limits.
    pub fn within(&self, limits: Limits) {
        self.state().limits = limits;
    }

    /// Keeps the rows of the sets that come in files in `folder`, too, and reads them from there if
    /// they are there. `key` is a hash of everything that the rows depend on: the frozen tensors,
    /// the cut, and whatever makes a device compute what it does.
    pub fn in_folder(&self, folder: PathBuf, key: String) {
        self.state().folder = Some((folder, key));
    }

    /// Where the rows of a set are, once they were asked for.
    pub fn place(&self, set: &str) -> Option<Place> {
        self.state().sets.get(set).map(|kept| match kept {
            Kept::Device(_) => Place::Device,
            Kept::Host(..) => Place::Host,
            Kept::File(..) => Place::File,
            Kept::Nowhere => Place::Nowhere,
        })
    }

    /// The parts, `[indices, ..]` each, of what samples of the set called `set` have at the
    /// cut; the set has `len` samples, and its name is part of a file's: a hash of the samples.
    /// `compute` gives them for a micro-batch of any of these samples.
    ///
    /// # Errors
    /// Those of `compute`; a [`PrefixError`] if rows are to be kept and cannot be.
    pub fn rows(
        &self,
        set: &str,
        len: usize,
        indices: &[usize],
        mut compute: impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        let mut state = self.state();
        if !state.keep {
            return self.compute(indices, compute);
        }
        if !state.sets.contains_key(set) {
            let file = state.folder.as_ref().map(|(folder, key)| {
                let path = folder.join(format!("{key}-{set}.rows"));
                (path, format!("{key}, samples {set}"))
            });
            let kept = self.fill(len, state.limits, file, &mut compute)?;
            state.sets.insert(set.to_owned(), kept);
        }
        match state.sets.get_mut(set) {
            Some(Kept::Device(parts)) => {
                Ok(parts.iter().map(|part| part.select(indices)).collect())
            }
            Some(Kept::Host(format, rows, device)) => {
                let rows: Vec<&Vec<u8>> = indices.iter().map(|index| &rows[*index]).collect();
                Ok(format.to_parts(&rows, device))
            }
            Some(Kept::File(format, file, device)) => {
                Ok(format.to_parts(&file.rows(indices)?, device))
            }
            Some(Kept::Nowhere) | None => self.compute(indices, compute),
        }
    }

    /// The same of samples that belong to no set: nothing is kept.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn compute(
        &self,
        indices: &[usize],
        mut compute: impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        self.batches(indices, &mut compute)
    }

    /// The parts of these samples, micro-batch by micro-batch.
    fn batches(
        &self,
        indices: &[usize],
        compute: &mut impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Vec<Tensor<B, 3>>, ComputeError> {
        let mut parts: Vec<Vec<Tensor<B, 3>>> = Vec::new();
        for batch in indices.chunks(self.micro_batch.get()) {
            let filled = self.filled(batch);
            for (at, part) in compute(&filled)?.into_iter().enumerate() {
                if parts.len() == at {
                    parts.push(Vec::new());
                }
                let [_, height, width] = part.dims();
                parts[at].push(match batch.len() == filled.len() {
                    true => part,
                    false => part.slice([0..batch.len(), 0..height, 0..width]),
                });
            }
        }
        let joined = parts.into_iter().map(|mut blocks| match blocks.len() {
            1 => blocks.remove(0),
            _ => Tensor::cat(blocks, 0),
        });
        Ok(joined.collect())
    }

    /// A micro-batch of the one shape.
    fn filled(&self, batch: &[usize]) -> Vec<usize> {
        let mut filled = batch.to_vec();
        filled.resize(self.micro_batch.get(), batch[batch.len() - 1]);
        filled
    }

    /// The rows of all samples, in the first place that has room.
    fn fill(
        &self,
        len: usize,
        limits: Limits,
        file: Option<(PathBuf, String)>,
        compute: &mut impl FnMut(&[usize]) -> Result<Vec<Tensor<B, 3>>, ComputeError>,
    ) -> Result<Kept<B>, ComputeError> {
        let begin: Vec<usize> = (0..len.min(self.micro_batch.get())).collect();
        let first = self.filled(&begin);
        let forwards = compute(&first)?;
        let format = RowFormat::of(&forwards);
        let Some(device) = forwards.first().map(Tensor::device) else {
            return Ok(Kept::Nowhere);
        };
        let bytes = format.row_bytes() as u64 * len as u64;
        let place = match &file {
            _ if bytes <= limits.device => Place::Device,
            _ if bytes <= limits.host => Place::Host,
            Some(_) => Place::File,
            None => return Ok(Kept::Nowhere),
        };
        let turned: Vec<usize> = first.iter().rev().copied().collect();
        for (there, back) in forwards.iter().zip(compute(&turned)?) {
            if !same_bits(there.clone(), back.flip([0])) {
                return Err(PrefixError::PlaceMatters.into());
            }
        }
        let file = file.map(|(path, key)| {
            let header = header(&key, len, self.micro_batch.get(), &format);
            (path, header)
        });
        let open = || match &file {
            Some((path, header)) => RowFile::open(path, header, len, format.row_bytes()),
            None => Ok(None),
        };
        let mut found = open()?;
        if let Some(file) = &mut found {
            file.check(&format.to_rows(forwards)[..begin.len()])?;
        }
        let mut new = match (&found, &file) {
            (None, Some((path, header))) => Some(NewRowFile::begin(path, header)?),
            _ => None,
        };

        let samples = self.samples_of_a_piece(&format);
        let mut pieces: Vec<Pieces<B>> = format.part_bytes().map(|_| Pieces::of(samples)).collect();
        let mut host = Vec::new();
        let all: Vec<usize> = (0..len).collect();
        let wanted = match place {
            // All is there already.
            Place::File if found.is_some() => &[],
            _ => all.as_slice(),
        };
        for some in wanted.chunks(samples) {
            let (parts, rows) = match &mut found {
                Some(file) => (None, file.rows(some)?),
                None => {
                    let parts = self.batches(some, compute)?;
                    let rows = match place == Place::Device && new.is_none() {
                        true => Vec::new(),
                        false => format.to_rows(parts.clone()),
                    };
                    (Some(parts), rows)
                }
            };
            if let Some(new) = &mut new {
                rows.iter().try_for_each(|row| new.push(row))?;
            }
            match place {
                Place::Device => {
                    let parts = parts.unwrap_or_else(|| format.to_parts(&rows, &device));
                    for (pieces, part) in pieces.iter_mut().zip(parts) {
                        pieces.push(part);
                    }
                }
                Place::Host => host.extend(rows),
                Place::File | Place::Nowhere => {}
            }
        }
        if let Some(new) = new {
            new.finish()?;
        }
        Ok(match place {
            Place::Device => Kept::Device(pieces),
            Place::Host => Kept::Host(format, host, device),
            Place::File | Place::Nowhere => match found.map_or_else(open, |file| Ok(Some(file)))? {
                Some(file) => Kept::File(format, file, device),
                None => Kept::Nowhere,
            },
        })
    }

    /// Whole micro-batches; a piece at a time, so that little is there twice.
    fn samples_of_a_piece(&self, format: &RowFormat) -> usize {
        let widest = format.part_bytes().max().unwrap_or(0).max(1);
        let micro_batch = self.micro_batch.get();
        (self.piece / widest / micro_batch).max(1) * micro_batch
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        // Whoever panicked while it was held has changed nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_bits<B: Backend>(a: Tensor<B, 3>, b: Tensor<B, 3>) -> bool {
    a.into_data().as_bytes() == b.into_data().as_bytes()
}
