use std::collections::BTreeMap;

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::CHUNK;
use super::kernel::{Place, PlaceLaunch, sum, sum_each as each};
use crate::grid::{self, UNITS};
use crate::{KernelError, RowShape};

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// The elements.
    Elements,
    /// Their squares, each added with one rounding.
    Squares,
}

/// The most tensors of a launch, each of which has code of its own.
const MOST_TENSORS: usize = 16;

/// The sum `[1]` of `len` f32, contiguous. In [`reference`](super::reference)'s order.
///
/// # Errors
/// [`KernelError::TooLong`] above [`RowShape::MAX_LEN`]; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a handle that does not hold its tensor.
pub fn sum_all<R: Runtime>(
    client: &ComputeClient<R>,
    len: u64,
    x: &Handle,
    terms: Terms,
) -> Result<Handle, KernelError> {
    let part = Part::new(len, x, terms)?;
    if len == 0 {
        return Ok(client.create_from_slice(&[0; 4]));
    }
    Ok(part.chunk(client).totals(client).x)
}

/// The sums `[tensors]` of f32 tensors of a length, contiguous, each by itself with the bits of [`sum_all`].
///
/// # Errors
/// As [`sum_all`].
pub fn sum_each<R: Runtime>(
    client: &ComputeClient<R>,
    tensors: &[(u64, &Handle)],
    terms: Terms,
) -> Result<Handle, KernelError> {
    let part = |(len, x): &(u64, &Handle)| match len {
        0 => Part::new(1, &client.create_from_slice(&[0; 4]), terms),
        _ => Part::new(*len, x, terms),
    };
    let parts: Vec<Part> = tensors.iter().map(part).collect::<Result<_, _>>()?;
    let totals = client.empty(4 * parts.len());
    let mut kinds: BTreeMap<_, Vec<(usize, Part)>> = BTreeMap::new();
    for (place, part) in parts.into_iter().enumerate() {
        let part = part.chunk(client);
        let kind = (part.vector(), part.squares);
        kinds.entry(kind).or_default().push((place, part));
    }
    // Three bindings are left: for the totals, the lengths and the places.
    let bindings = client.properties().hardware.max_bindings as usize;
    let most = bindings.saturating_sub(3).clamp(1, MOST_TENSORS);
    for ((vector, squares), parts) in kinds {
        for parts in parts.chunks(most) {
            let mut places = SequenceArg::<R, Place>::new();
            for (place, _) in parts {
                places.push(PlaceLaunch::new(*place as u32));
            }
            // SAFETY: the tensors hold their lengths, as checked or made above, and the totals have a
            // place for each; a unit reads below its tensor's length.
            #[allow(unsafe_code)]
            unsafe {
                let tensor = |(_, part): &(usize, Part)| {
                    ArrayArg::<R>::from_raw_parts(part.x.clone(), part.len)
                };
                each::launch_unchecked::<R>(
                    client,
                    grid::cubes(parts.len() as u32),
                    CubeDim::new_1d(UNITS),
                    vector,
                    parts.iter().map(tensor).collect(),
                    ArrayArg::from_raw_parts(totals.clone(), tensors.len()),
                    places,
                    parts.len(),
                    squares,
                );
            }
        }
    }
    Ok(totals)
}

/// A tensor whose sum is wanted, or the totals of its chunks.
struct Part {
    x: Handle,
    len: usize,
    squares: bool,
}

impl Part {
    fn new(len: u64, x: &Handle, terms: Terms) -> Result<Self, KernelError> {
        let row = RowShape {
            rows: 1,
            width: len,
        };
        row.check_len("sum_all")?;
        row.check("sum_all", "x", x)?;
        Ok(Self {
            x: x.clone(),
            len: len as usize,
            squares: terms == Terms::Squares,
        })
    }

    /// Elements that are read at a time.
    fn vector(&self) -> usize {
        let row = RowShape {
            rows: 1,
            width: self.len as u64,
        };
        row.vector(&[&self.x])
    }

    /// What is left to be added in one cube.
    fn chunk<R: Runtime>(self, client: &ComputeClient<R>) -> Self {
        match self.len {
            ..=CHUNK => self,
            _ => self.totals(client).chunk(client),
        }
    }

    /// The totals of its chunks, at least one.
    fn totals<R: Runtime>(self, client: &ComputeClient<R>) -> Self {
        let cubes = self.len.div_ceil(CHUNK);
        let totals = client.empty(4 * cubes);
        let vector = self.vector();
        // SAFETY: both buffers were checked or made above; a unit reads below `len`, and the first of a
        // cube writes its total.
        #[allow(unsafe_code)]
        unsafe {
            sum::launch_unchecked::<R>(
                client,
                grid::cubes(cubes as u32),
                CubeDim::new_1d(UNITS),
                vector,
                ArrayArg::from_raw_parts(self.x, self.len),
                ArrayArg::from_raw_parts(totals.clone(), cubes),
                (CHUNK / vector) as u32,
                self.squares,
            );
        }
        Self {
            x: totals,
            len: cubes,
            squares: false,
        }
    }
}
