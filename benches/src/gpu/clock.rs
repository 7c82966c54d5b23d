use std::time::Instant;

use cubecl::client::ComputeClient;
use cubecl::future::block_on;
use cubecl::prelude::Runtime;
use cubecl::server::Handle;
use dacapo_kernels::probe;

use super::{Times, median};

/// Times calls that launch kernels, to fractions of a microsecond of device time.
///
/// CubeCL's own profiling of CUDA is the wall clock around a synchronisation. So here many calls
/// are queued, each behind a kernel that keeps the device busy for longer than the host needs to
/// launch them; the same is done without the calls, and the difference of the two wall clocks,
/// divided by the number of calls, is what a call adds on the device: its kernels and the gaps
/// between them, not the launches, and not the synchronisation.
pub struct Clock<R: Runtime> {
    client: ComputeClient<R>,
    rounds: usize,
    flushed: Handle,
    flush_vectors: usize,
    scratch: Handle,
    /// Rounds of the waiting kernel in a microsecond.
    speed: f64,
}

/// What stands between two calls.
#[derive(Clone, Copy)]
struct Between {
    /// Rounds of the waiting kernel; 0 for none.
    wait: u32,
    flush: bool,
}

impl<R: Runtime> Clock<R> {
    /// A clock whose medians are taken of `rounds` measurements. `flush_bytes` are written to
    /// empty the L2 cache.
    ///
    /// # Panics
    /// If `rounds` is 0.
    pub fn new(client: ComputeClient<R>, rounds: usize, flush_bytes: usize) -> Self {
        assert!(rounds > 0, "a median of no measurements");
        let flush_vectors = flush_bytes / 16;
        let mut clock = Self {
            flushed: client.empty(flush_vectors * 16),
            scratch: client.empty(4),
            client,
            rounds,
            flush_vectors,
            speed: 1.0,
        };
        let wait = |rounds| {
            let between = Between {
                wait: rounds,
                flush: false,
            };
            clock.block(10, between, &mut || {});
            clock.block(10, between, &mut || {})
        };
        let (few, many) = (50_000, 250_000);
        let micros = (wait(many) - wait(few)).max(1.0) / 10.0;
        clock.speed = f64::from(many - few) / micros;
        clock
    }

    /// The device.
    pub fn client(&self) -> &ComputeClient<R> {
        &self.client
    }

    /// Times `call`, which must only queue work, after some calls to compile its kernels.
    pub fn measure(&self, mut call: impl FnMut()) -> Times {
        let nothing = Between {
            wait: 0,
            flush: false,
        };
        self.block(3, nothing, &mut call);
        let first = self.block(5, nothing, &mut call) / 5.0;
        let calls = (20_000.0 / first).clamp(5.0, 200.0) as usize;
        let host: Vec<f64> = (0..self.rounds.min(5))
            .map(|_| self.block(calls, nothing, &mut call) / calls as f64)
            .collect();
        let host = median(&host);

        // Longer than the launches take: `host` is at least that, and the two kernels in
        // between need launches, too.
        let wait = 1.2 * host + 30.0;
        let calls = (6_000.0 / (wait + host)).clamp(4.0, 50.0) as usize;
        let wait = (wait * self.speed) as u32;
        let device = |flush, call: &mut dyn FnMut()| -> Vec<f64> {
            let between = Between { wait, flush };
            (0..self.rounds)
                .map(|_| {
                    let without = self.block(calls, between, &mut || {});
                    let with = self.block(calls, between, call);
                    (with - without) / calls as f64
                })
                .collect()
        };
        Times {
            calls,
            host,
            warm: device(false, &mut call),
            cold: device(true, &mut call),
        }
    }

    /// GB/s, read and written, of a device copy of `bytes`.
    pub fn copy_bandwidth(&self, bytes: usize) -> f64 {
        let vectors = bytes / 16;
        let source = self.client.empty(vectors * 16);
        let target = self.client.empty(vectors * 16);
        probe::fill(&self.client, &source, vectors, 1);
        let times = self.measure(|| probe::copy(&self.client, &source, &target, vectors));
        2.0 * 16.0 * vectors as f64 / times.warm_median() / 1e3
    }

    /// Waits for the device.
    ///
    /// # Panics
    /// If something that was queued has failed.
    pub fn synchronize(&self) {
        block_on(self.client.sync()).expect("what was queued succeeds");
    }

    /// Microseconds on the wall of `calls` calls.
    fn block(&self, calls: usize, between: Between, call: &mut dyn FnMut()) -> f64 {
        self.synchronize();
        let start = Instant::now();
        for _ in 0..calls {
            if between.wait > 0 {
                probe::wait(&self.client, &self.scratch, between.wait);
            }
            if between.flush {
                probe::fill(&self.client, &self.flushed, self.flush_vectors, 1);
            }
            call();
        }
        self.synchronize();
        start.elapsed().as_secs_f64() * 1e6
    }
}
