#!/usr/bin/env python3
"""Measures lemur's training step against PyTorch's, in turns.

    bench/pytorch/compare.py [--rounds 9] [--batch 512] [--json FILE]

Needs `scripts/bootstrap.sh --with-pytorch`. Every implementation is a process of its own that waits while another one runs; PyTorch's variants come
one after the other, each in turns with lemur. Losses and gradients of the first step, from the same weights, must agree before anything is timed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / "third_party/bin/python3"  # which bootstrap chose
# What lemur sets for libraries on its path, and an allocator that keeps what it has.
SETTINGS = subprocess.run([HERE.parent.parent / "build/lemur", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
KERNELS = dict(setting.split("=") for setting in SETTINGS.partition(": ")[2].split())
TUNED = {**KERNELS, "GOMP_SPINCOUNT": "2000", "MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "68719476736", "MALLOC_TOP_PAD_": "268435456"}
MOST_DISTANCE, MOST_LOSS = 1e-3, 1e-5
SHARES = {"p = q = 100 %": 1.0, "p = q = 20 %": 0.2}


class Variant(NamedTuple):
    key: str
    title: str
    share: str
    flags: list = []
    environment: dict = TUNED


VARIANTS = [
    Variant("installed", "PyTorch, padded, as installed", "p = q = 100 %", ["--padded"], {}),
    Variant("padded", "PyTorch, padded, tuned", "p = q = 100 %", ["--padded"]),
    Variant("dedup", "PyTorch, dedup, tuned, p = q = 100 %", "p = q = 100 %"),
    Variant("dedup-20", "PyTorch, dedup, tuned, p = q = 20 %", "p = q = 20 %"),
    Variant("dedup-installed", "PyTorch, dedup, as installed, p = q = 100 %", "p = q = 100 %", [], {}),
]


class Process:
    def __init__(self, name, command, environment=None):
        self.name, self.times, self.peak = name, [], 0
        self.process = subprocess.Popen([str(a) for a in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: ended with code {self.process.wait()}")
        return line.strip()

    def step(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        answer = json.loads(self.line())
        self.times.append(answer["ms"])
        self.peak = max(self.peak, answer["peak_rss_bytes"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start_ours(arguments, work):
    """Returns lemur's processes, the folders of their workloads and the losses of their first steps, by share."""
    ours = {}
    for name, share in SHARES.items():
        folder = work / str(share)
        process = Process(f"lemur, {name}", [arguments.lemur, "bench", "--peer", folder, "--peer-share", share, "--peer-batch", arguments.batch, "--threads", arguments.threads])
        loss = json.loads(process.line())["loss"]
        if process.line() != "ready":
            sys.exit("lemur: expected 'ready'")
        ours[name] = process, folder, loss
    return ours


def start_theirs(arguments, variant, folder, loss):
    """Returns PyTorch's process after its first step was checked, or nothing where memory was too small for it."""
    worker = Process(variant.title, [PYTHON, HERE / "worker.py", folder, *variant.flags, "--share", SHARES[variant.share], "--threads", arguments.threads], variant.environment)
    line = worker.process.stdout.readline()
    if not line and worker.process.wait() == -signal.SIGKILL:
        print(f"{variant.title}: killed for lack of memory", flush=True)
        return None
    answer = json.loads(line)
    apart = abs(answer["loss"] - loss) / loss
    print(f"{variant.title}: first loss {answer['loss']:.7f}, lemur's {loss:.7f}; gradients at most {answer['distance']:.1e} apart ({answer['parameter']})", flush=True)
    if not (apart <= MOST_LOSS and answer["distance"] <= MOST_DISTANCE):
        sys.exit("the two do not compute the same")
    return worker


def row(process, arguments, ours, rounds):
    """What a process took, and how many times as long as lemur's steps of the same rounds."""
    times = process.times[-rounds:]
    low, median, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    ratios = {p.name: median / statistics.median(p.times[-rounds:]) for p in ours}
    return {"name": process.name, "batch": arguments.batch, "median_ms": median, "low_ms": low, "high_ms": high, "peak_rss_bytes": process.peak, "ratios": ratios}


def show(line):
    ratios = "".join(f"{ratio:>8.2f}" for ratio in line["ratios"].values())
    print(f"{line['name']:<40}{line['median_ms']:>9.0f}{line['low_ms']:>9.0f}{line['high_ms']:>9.0f}{1e3 * line['batch'] / line['median_ms']:>11.0f}{line['peak_rss_bytes'] / 1e6:>9.0f}{ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", type=Path, default=HERE.parent.parent / "build/lemur")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", choices=[v.key for v in VARIANTS], default=[v.key for v in VARIANTS])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as work:
        started = start_ours(arguments, Path(work))
        ours = [process for process, _, _ in started.values()]
        for variant in VARIANTS:
            if variant.key not in arguments.only:
                continue
            worker = start_theirs(arguments, variant, *started[variant.share][1:])
            if worker is None:
                lines.append({"name": variant.title, "batch": arguments.batch, "killed": True})
                continue
            for _ in range(arguments.rounds):
                for process in [*ours, worker]:
                    process.step()
            worker.close()
            lines.append(row(worker, arguments, ours, arguments.rounds))
        for process in ours:
            process.close()
    lines = [row(process, arguments, ours, len(process.times)) for process in ours] + lines
    print(f"\n{'batch of ' + str(arguments.batch):<40}{'ms':>9}{'25 %':>9}{'75 %':>9}{'samples/s':>11}{'peak MB':>9}  times lemur at {', '.join(SHARES)}")
    for line in lines:
        if "killed" not in line:
            show(line)
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
