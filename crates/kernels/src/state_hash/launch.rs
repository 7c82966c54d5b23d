use cubecl::prelude::*;
use cubecl::server::Handle;

use super::HashMode;
use super::kernel::{
    BufferArgs, BufferArgsLaunch, CHUNKS, KeyArgsLaunch, PARENTS, hash_chunks, hash_parents,
};
use super::reference::{self, CHUNK};
use crate::grid;
use crate::{KernelError, buffer};

/// The longest buffer, in bytes: its words have 32-bit indices.
pub const MAX_BYTES: u64 = (1 << 34) - CHUNK as u64;

const KERNEL: &str = "state_hash";

/// The numbers of buffers that kernels are compiled for.
const SIZES: [usize; 3] = [1, 4, 32];

/// The most buffers that a launch takes.
pub fn capacity<R: Runtime>(client: &ComputeClient<R>) -> usize {
    let bindings = client.properties().hardware.max_bindings as usize;
    SIZES
        .into_iter()
        .rev()
        // Two bindings each; one for the nodes, two for scalars and lengths.
        .find(|size| 2 * size + 3 <= bindings)
        .unwrap_or(1)
}

/// A buffer that is not empty.
struct Job {
    /// Its place in the caller's list.
    index: usize,
    chunks: u32,
    last_bytes: u32,
    /// Where its nodes begin, and how many there are.
    first_node: u32,
    nodes: u32,
    /// Whether whole chunks are read as vectors of 16 bytes.
    vectors: bool,
}

/// The hash of the first `bytes` bytes of every `(handle, bytes)`, in order.
/// The buffers are only read, and waited for. The module's documentation says
/// how many launches that takes.
///
/// # Errors
///
/// [`KernelError::TooShort`] or [`KernelError::Misaligned`] if a buffer is
/// shorter than stated or starts at no multiple of 4 bytes,
/// [`KernelError::TooLong`] above [`MAX_BYTES`], or 128 TiB in total;
/// [`KernelError::Read`] if the hashes cannot be copied to the host.
pub fn tensor_hashes<R: Runtime>(
    client: &ComputeClient<R>,
    mode: &HashMode,
    buffers: &[(Handle, u64)],
) -> Result<Vec<[u8; 32]>, KernelError> {
    let (jobs, total) = jobs(buffers)?;
    let mut hashes = vec![reference::hash(mode, &[]); buffers.len()];
    if jobs.is_empty() {
        return Ok(hashes);
    }
    let nodes = client.empty(32 * total as usize);
    let capacity = capacity(client);
    for vectors in [true, false] {
        let group: Vec<&Job> = jobs.iter().filter(|job| job.vectors == vectors).collect();
        for jobs in group.chunks(capacity) {
            launch_chunks(client, mode, buffers, jobs, &nodes, total);
        }
    }
    let most = jobs.iter().map(|job| job.nodes).max().unwrap_or(0);
    // With a node each the nodes are the roots.
    let roots = if most > 1 {
        launch_parents(client, mode, &jobs, nodes, total, most)
    } else {
        nodes
    };
    let roots = client.read_one(roots).map_err(|error| KernelError::Read {
        kernel: KERNEL,
        reason: error.to_string(),
    })?;
    for (job, root) in jobs.iter().zip(roots.chunks_exact(32)) {
        hashes[job.index].copy_from_slice(root);
    }
    Ok(hashes)
}

/// What there is to hash, and the nodes of all of it.
fn jobs(buffers: &[(Handle, u64)]) -> Result<(Vec<Job>, u32), KernelError> {
    let mut jobs = Vec::with_capacity(buffers.len());
    let mut total = 0_u64;
    for (index, (handle, bytes)) in buffers.iter().enumerate() {
        let too_long = |what, limit, len| KernelError::TooLong {
            kernel: KERNEL,
            what,
            limit,
            len,
            unit: "bytes",
        };
        if *bytes > MAX_BYTES {
            return Err(too_long("buffer", MAX_BYTES, *bytes));
        }
        buffer::check(KERNEL, "buffer", handle, *bytes, 4)?;
        if *bytes == 0 {
            continue;
        }
        let chunks = bytes.div_ceil(CHUNK as u64);
        let nodes = chunks.div_ceil(CHUNKS.into());
        jobs.push(Job {
            index,
            chunks: chunks as u32,
            last_bytes: (bytes - (chunks - 1) * CHUNK as u64) as u32,
            first_node: total as u32,
            nodes: nodes as u32,
            vectors: *bytes >= CHUNK as u64 && buffer::offset(handle).is_multiple_of(16),
        });
        total += nodes;
        // Eight words each, which have 32-bit indices.
        let limit = (1 << 32) / 8 - 1;
        if total > limit {
            let run = u64::from(CHUNKS) * CHUNK as u64;
            return Err(too_long("all buffers", limit * run, total * run));
        }
    }
    Ok((jobs, total as u32))
}

fn launch_chunks<R: Runtime>(
    client: &ComputeClient<R>,
    mode: &HashMode,
    buffers: &[(Handle, u64)],
    jobs: &[&Job],
    nodes: &Handle,
    total: u32,
) {
    let count = SIZES
        .into_iter()
        .find(|&size| size >= jobs.len())
        .expect("a launch takes no more buffers than the largest size");
    let mut words = SequenceArg::<R, Array<u32>>::new();
    let mut fours = SequenceArg::<R, Array<Vector<u32, Const<4>>>>::new();
    let mut args = SequenceArg::<R, BufferArgs>::new();
    let mut cubes = 0;
    for slot in 0..count {
        // A slot without a buffer names the first one and has no chunk.
        let (job, chunks) = match jobs.get(slot) {
            Some(job) => (job, job.chunks),
            None => (&jobs[0], 0),
        };
        let (handle, bytes) = &buffers[job.index];
        // SAFETY: the kernel reads the words of `bytes` bytes, and whole chunks
        // of them as vectors. That the buffer holds them was checked; a last
        // word begun is inside its allocation, whose size is a multiple of 4.
        #[allow(unsafe_code)]
        unsafe {
            words.push(ArrayArg::from_raw_parts(
                handle.clone(),
                bytes.div_ceil(4) as usize,
            ));
            if job.vectors {
                fours.push(ArrayArg::from_raw_parts(
                    handle.clone(),
                    (bytes / 16 * 4) as usize,
                ));
            }
        }
        args.push(BufferArgsLaunch::new(
            cubes,
            job.first_node,
            chunks,
            job.last_bytes,
        ));
        if chunks > 0 {
            cubes += job.nodes;
        }
    }
    // SAFETY: the inputs as above; `nodes` has room for `total` nodes, among
    // them every `first_node..first_node + nodes` of a job.
    #[allow(unsafe_code)]
    unsafe {
        hash_chunks::launch_unchecked::<R>(
            client,
            grid::cubes(cubes),
            CubeDim::new_1d(CHUNKS),
            words,
            fours,
            ArrayArg::from_raw_parts(nodes.clone(), 8 * total as usize),
            args,
            key(mode),
            count,
            jobs[0].vectors,
        );
    }
}

fn launch_parents<R: Runtime>(
    client: &ComputeClient<R>,
    mode: &HashMode,
    jobs: &[Job],
    nodes: Handle,
    total: u32,
    most: u32,
) -> Handle {
    let spans: Vec<u32> = jobs
        .iter()
        .flat_map(|job| [job.first_node, job.nodes])
        .collect();
    let words = 8 * total as usize;
    let spare = client.empty(4 * words);
    let roots = client.empty(32 * jobs.len());
    // SAFETY: `nodes` and `spare` hold `total` nodes, which the spans divide
    // among the jobs; `roots` holds one node a job.
    #[allow(unsafe_code)]
    unsafe {
        hash_parents::launch_unchecked::<R>(
            client,
            grid::cubes(jobs.len() as u32),
            CubeDim::new_1d(PARENTS),
            ArrayArg::from_raw_parts(
                client.create_from_slice(bytemuck::cast_slice(&spans)),
                spans.len(),
            ),
            ArrayArg::from_raw_parts(nodes, words),
            ArrayArg::from_raw_parts(spare, words),
            ArrayArg::from_raw_parts(roots.clone(), 8 * jobs.len()),
            key(mode),
            jobs.len() as u32,
            most.next_power_of_two().ilog2(),
        );
    }
    roots
}

fn key<R: Runtime>(mode: &HashMode) -> KeyArgsLaunch<R> {
    let ([k0, k1, k2, k3, k4, k5, k6, k7], flags) = mode.key();
    KeyArgsLaunch::new(k0, k1, k2, k3, k4, k5, k6, k7, flags)
}
