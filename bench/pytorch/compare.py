#!/usr/bin/env python3
"""Measures lemur's training step against PyTorch's, in turns.

    bench/pytorch/compare.py [--rounds 9] [--batch 512] [--json FILE]

Needs PyTorch for /usr/bin/python3 (Debian: python3-torch). Every implementation is a process of its own that waits while another one runs. Losses and gradients
of the first step, from the same weights, must agree before anything is timed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "68719476736", "MALLOC_TOP_PAD_": "268435456"}
MOST_DISTANCE, MOST_LOSS = 1e-3, 1e-5
SHARES = {"p = q = 100 %": 1.0, "p = q = 20 %": 0.2}


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


def start(arguments, work):
    """Starts all; returns lemur's and PyTorch's processes after their first step was checked."""
    ours, theirs = {}, []
    for name, share in SHARES.items():
        folder = work / str(share)
        process = Process(f"lemur, {name}", [arguments.lemur, "bench", "--peer", folder, "--peer-share", share, "--peer-batch", arguments.batch, "--threads", arguments.threads])
        loss = json.loads(process.line())["loss"]
        if process.line() != "ready":
            sys.exit("lemur: expected 'ready'")
        ours[name] = process, folder, loss
    variants = [("PyTorch, padded, as installed", "p = q = 100 %", ["--padded"], {}), ("PyTorch, padded", "p = q = 100 %", ["--padded"], TUNED)]
    variants += [(f"PyTorch, dedup, {name}", name, [], TUNED) for name in SHARES]
    for title, name, flags, environment in variants:
        if arguments.only and arguments.only not in title:
            continue
        _, folder, loss = ours[name]
        worker = Process(title, ["/usr/bin/python3", HERE / "worker.py", folder, *flags, "--share", SHARES[name], "--threads", arguments.threads], environment)
        answer = json.loads(worker.line())
        apart = abs(answer["loss"] - loss) / loss
        print(f"{title}: first loss {answer['loss']:.7f}, lemur's {loss:.7f}; gradients at most {answer['distance']:.1e} apart ({answer['parameter']})", flush=True)
        if apart > MOST_LOSS or answer["distance"] > MOST_DISTANCE:
            sys.exit("the two do not compute the same")
        theirs.append(worker)
    return [process for process, _, _ in ours.values()], theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", type=Path, default=HERE.parent.parent / "build/lemur")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="only the PyTorch variants whose name has this")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        ours, theirs = start(arguments, Path(work))
        for _ in range(arguments.rounds):
            for process in [*ours, *theirs]:
                process.step()
        for process in [*ours, *theirs]:
            process.close()
    rows = []
    print(f"\n{'batch of ' + str(arguments.batch):<40}{'ms':>9}{'25 %':>9}{'75 %':>9}{'samples/s':>11}{'peak MB':>9}" + "".join(f"{'x ' + p.name[7:]:>18}" for p in ours))
    for process in [*ours, *theirs]:
        low, median, high = statistics.quantiles(process.times, n=4) if len(process.times) > 1 else process.times * 3
        ratios = [median / statistics.median(p.times) for p in ours]
        rows.append({"name": process.name, "median_ms": median, "low_ms": low, "high_ms": high, "peak_rss_bytes": process.peak, "batch": arguments.batch})
        print(f"{process.name:<40}{median:>9.0f}{low:>9.0f}{high:>9.0f}{1e3 * arguments.batch / median:>11.0f}{process.peak / 1e6:>9.0f}" + "".join(f"{ratio:>18.2f}" for ratio in ratios))
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
