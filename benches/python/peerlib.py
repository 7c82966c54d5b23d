"""What the PyTorch peers share: the device, timing, precision, and their JSON.

Times are CUDA events around one call, three ways:

    host   calls one after the other, as a program makes them: a small operation then costs what the
           CPU needs to launch it.
    warm   the calls are queued behind a waiting kernel first, so that the GPU never waits for the
           CPU: device time alone. Inputs may still be in the L2 cache.
    cold   as warm, and a buffer larger than any L2 cache is written before each call.

From the last two the time between two events with nothing between them is subtracted. On the CPU
(to try the scripts out) all three are the wall clock.
"""

import contextlib
import gc
import json
import os
import platform
import statistics
import subprocess
import time

import torch

FLUSH_BYTES = 256 << 20


def device_of(name):
    """The device to measure on; ends the program where it is missing."""
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device: PyTorch sees none; try --device cpu --quick")
    return torch.device(name)


def machine(device):
    """What the figures depend on, for the JSON."""
    facts = {"torch": torch.__version__, "python": platform.python_version()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            facts["driver"] = subprocess.check_output(query, text=True).split()[0]
    else:
        facts["cpu"] = platform.processor() or platform.machine()
    return facts


@contextlib.contextmanager
def matmul_precision(name):
    """`tf32` lets f32 products run in TF32; anything else keeps them IEEE."""
    allow = name == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allow
    torch.backends.cudnn.allow_tf32 = allow
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def classifier_steps(run, optimizer, images, labels, warm_up, steps):
    """Seconds of each training step on the CPU, after so many that do not count."""
    seconds = []
    for _ in range(warm_up + steps):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(run(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds[warm_up:]


def told_steps(command, folder=None):
    """Runs `dacapo -vv train` or `resume` in `folder`: when it told of each step, and the last line
    that did."""
    running = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    at, told, last = [], [], ""
    for line in running.stderr:
        told.append(line)
        if " loss=" in line:
            at.append(time.perf_counter())
            last = line.strip()
    if running.wait() != 0:
        raise RuntimeError("".join(told)[-500:].replace("\n", " "))
    return at, last


def between(times):
    return [after - before for before, after in zip(times, times[1:])]


def last_steps(command, steps):
    """Seconds of the last so many steps of `dacapo -vv train` or `resume`."""
    at, _ = told_steps(command)
    return between(at)[-steps:]


class Clock:
    """Times calls on one device."""

    def __init__(self, device, repeats):
        self.device, self.repeats = device, repeats
        self.cuda = device.type == "cuda"
        bytes_ = FLUSH_BYTES if self.cuda else 1 << 20
        self.flushed = torch.empty(bytes_ // 4, dtype=torch.int32, device=device)
        self.overhead_us = 0.0
        if self.cuda:
            self.overhead_us = statistics.median(self._run(lambda: None, 1e-4, False))

    def measure(self, call, warm_up=5):
        """Microseconds of `call()`: medians, and the 10th and 90th percentile of `warm`."""
        for _ in range(warm_up):
            call()
        self.synchronize()
        start = time.perf_counter()
        for _ in range(3):
            call()
        queueing = (time.perf_counter() - start) / 3
        self.synchronize()
        host = self._run(call, 0.0, False)
        if not self.cuda:
            return summary(host, host, host)
        warm, cold = (self._run(call, queueing, cold) for cold in (False, True))
        return summary(host, warm, cold)

    def _run(self, call, queueing, cold):
        times = []
        for _ in range(self.repeats):
            if not self.cuda:
                start = time.perf_counter()
                call()
                times.append(1e6 * (time.perf_counter() - start))
                continue
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            if queueing:
                # Clock cycles, at up to 2 GHz; the call is queued while this waits.
                torch.cuda._sleep(int(min(2 * queueing + 2e-4, 0.02) * 2e9))
            if cold:
                self.flushed.fill_(1)
            begin.record()
            call()
            end.record()
            times.append((begin, end))
            if queueing:
                end.synchronize()
        self.synchronize()
        if self.cuda:
            overhead = self.overhead_us if queueing else 0.0
            times = [1e3 * begin.elapsed_time(end) - overhead for begin, end in times]
        return times

    def synchronize(self):
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def copy_bandwidth(self):
        """GB/s of a device copy of 1 GiB, bytes read and written."""
        elements = (1 << 28) if self.cuda else (1 << 22)
        source = torch.ones(elements, dtype=torch.float32, device=self.device)
        target = torch.empty_like(source)
        times = self.measure(lambda: target.copy_(source))
        return 8 * elements / times["warm_us"] / 1e3


def summary(host, warm, cold):
    tenths = statistics.quantiles(warm, n=10) if len(warm) > 1 else [warm[0], warm[0]]
    return {
        "host_us": statistics.median(host),
        "warm_us": statistics.median(warm),
        "cold_us": statistics.median(cold),
        "warm_p10_us": tenths[0],
        "warm_p90_us": tenths[-1],
        "repeats": len(warm),
    }


def count_kernels(call):
    """How many kernels, copies and fills one call starts. Call it after all timing: what the
    profiler has set up can slow down what follows."""
    from torch.profiler import ProfilerActivity, profile

    for _ in range(2):
        call()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        call()
        torch.cuda.synchronize()
    return sum(event.device_type != torch.autograd.DeviceType.CPU for event in profiled.events())


class Report:
    """Rows of figures, written after every row: a script that is stopped keeps what it measured."""

    def __init__(self, part, device, path, budget, arguments):
        self.path, self.deadline = path, time.monotonic() + budget
        self.data = {
            "part": part,
            "machine": machine(device),
            "arguments": {key: str(value) for key, value in vars(arguments).items()},
            "rows": [],
            "skipped": [],
        }

    def row(self, **fields):
        self.data["rows"].append(fields)
        name = " ".join(
            str(value)
            for value in fields.values()
            if value is not None and not isinstance(value, (dict, float))
        )
        figures = fields.get("us") or {k: v for k, v in fields.items() if isinstance(v, float)}
        text = "  ".join(f"{k} {v:.4g}" for k, v in figures.items() if isinstance(v, float))
        print(f"{name}: {text}", flush=True)
        self.write()
        return fields

    def skip(self, what, why):
        self.data["skipped"].append({"what": what, "why": why})
        print(f"skipped {what}: {why}", flush=True)
        self.write()

    def attempt(self, what, measure):
        """Runs `measure()`, unless the time is over; an error is recorded, not raised."""
        if time.monotonic() > self.deadline:
            self.skip(what, "out of time (--budget)")
            return
        try:
            measure()
        except Exception as error:  # Whatever a peer trips over must not end the others.
            text = str(error).strip().splitlines() or [""]
            self.skip(what, f"{type(error).__name__}: {text[0][:200]}")
        finally:
            # Compiled modules are reference cycles, which would keep their memory.
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def set(self, key, value):
        self.data[key] = value
        self.write()

    def write(self):
        if self.path is None:
            return
        temporary = f"{self.path}.partial"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")
        os.replace(temporary, self.path)


def common_arguments(parser, budget):
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--json", metavar="FILE", help="where to write the figures")
    parser.add_argument("--repeats", type=int, default=40, help="calls a median is taken of")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument(
        "--budget", type=float, default=budget, metavar="SECONDS",
        help="start nothing new after this time",
    )
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
