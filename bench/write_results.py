#!/usr/bin/env python3
"""Measures everything on a path of this machine (docs/cpu.md) and writes docs/performance/CHIP-PATH.md. Takes about an hour on two cores; run nothing beside it.

    bench/write_results.py --chip NAME [--path PATH] [--keep FOLDER] [--only PART ...]

NAME says what the machine is called in the page's name. PATH is the best one where it is not given. FOLDER keeps what was measured; a part whose file is there already is not
measured again. Parts: kernels step bank loader ingest serving scaling pytorch memory.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMPARE = ["bench/pytorch/compare.py", "--json"]
PARTS = {
    **{name: ["build/lemur", "bench", name, "--json"] for name in ("kernels", "step", "bank", "loader", "ingest", "serving")},
    "scaling": ["build/lemur", "bench", "scaling", "--json", "--rounds", "5"],
    "pytorch": [*COMPARE, "--rounds", "7", "--only", "installed", "padded", "dedup", "dedup-20"],
    "memory": [*COMPARE, "--rounds", "2", "--batch", "2048", "--only", "dedup", "dedup-installed"],
}


def measure(name, folder, path):
    """Returns the lines of a part, measured now or before."""
    kept = folder / f"{name}.jsonl"
    if not kept.exists():
        command = PARTS[name]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}  # as on a machine where nobody chose
        environment["LEMUR_CPU"] = path
        print("running", " ".join(command), flush=True)
        if "--json" == command[1]:
            subprocess.run([command[0], "--json", kept, *command[2:]], cwd=ROOT, env=environment, check=True)
        else:
            done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            kept.write_text(done.stdout)
    return [json.loads(line) for line in kept.read_text().splitlines()]


def number(value):
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.2f}{unit}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def limit(rows):
    """What of a step's parts makes up the difference between the first and the last size."""
    first, last = rows[0], rows[-1]
    growth = {part: last["parts"][part] - first["parts"][part] for part in last["parts"]}
    total = last["median_ms"] - first["median_ms"]
    where = ", ".join(f"{part} {number(value)} ms" for part, value in sorted(growth.items(), key=lambda item: -abs(item[1]))[:3])
    return f"From {first['variant']} to {last['variant']} a sample takes {number(abs(total))} ms {'more' if total > 0 else 'less'}; of the parts: {where}.\n"


def tables(lines):
    """One table for each case; figures in a line of text."""
    text, timed = "", {}
    for line in lines:
        title = f"{line['case']}"
        if "variant" in line:
            timed.setdefault(title, []).append(line)
    for title, rows in timed.items():
        columns = [("GFLOP/s", "gflops", number), ("GB/s", "gigabytes_per_second", number), ("a second", "items_per_second", number), ("share of the roof", "share_of_roof", lambda v: f"{100 * v:.0f} %")]
        columns = [column for column in columns if any(column[1] in row for row in rows)]
        header = [title, "ms", "quartiles", "ratio", *(name for name, _, _ in columns)]
        body = [[row["variant"], number(row["median_ms"]), f"{number(row['low_ms'])} to {number(row['high_ms'])}", f"{row['ratio']:.2f}", *(show(row[key]) if key in row else "" for _, key, show in columns)] for row in rows]
        text += table(header, body) + "\n"
        if "parts" in rows[0]:
            text += limit(rows) + "\n"
    for line in lines:
        if "variant" not in line:
            values = ", ".join(f"{name} {number(value)}" for name, value in line.items() if name not in ("bench", "case", "path"))
            text += f"- {line['case']}: {values}\n"
    return text + "\n"


def compared(lines):
    ours = list(lines[0]["ratios"])
    header = [f"batch of {lines[0]['batch']}", "ms", "quartiles", "samples/s", "peak MB", *("times " + name for name in ours)]
    body = []
    for line in lines:
        if "killed" in line:
            body.append([line["name"], "killed for lack of memory", *[""] * (len(header) - 2)])
            continue
        times = [number(line["median_ms"]), f"{number(line['low_ms'])} to {number(line['high_ms'])}", number(1e3 * line["batch"] / line["median_ms"])]
        body.append([line["name"], *times, f"{line['peak_rss_bytes'] / 1e6:.0f}", *(f"{line['ratios'][name]:.2f}" for name in ours)])
    return table(header, body) + "\n"


def memory_mb():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6


def targets(parts):
    """The rows of the table of targets that the measured parts can fill."""
    rows = []

    def add(what, target, holds, found):
        rows.append([what, target, found, "reached" if holds else "missed"])

    find = lambda lines, key, text: next(line for line in lines if text in line.get(key, ""))
    if "pytorch" in parts:
        times = lambda name: next(line for line in parts["pytorch"] if line["name"] == name)["ratios"]["lemur, p = q = 20 %"]
        ratio = times("PyTorch, dedup, tuned, p = q = 20 %")
        add("step against PyTorch with dedup, p = q = 20 % on both sides", "3.5 times", ratio >= 3.5, f"{ratio:.2f} times")
        ratio, installed = times("PyTorch, padded, tuned"), times("PyTorch, padded, as installed")
        add("step at p = q = 20 % against padded PyTorch", "15 times", ratio >= 15, f"{ratio:.1f} times (as installed {installed:.1f})")
    if "memory" in parts:
        ours = next(line for line in parts["memory"] if line["name"] == "lemur, p = q = 100 %")["peak_rss_bytes"]
        theirs = min((line["peak_rss_bytes"] for line in parts["memory"] if "PyTorch" in line["name"] and "killed" not in line), default=None)
        holds = theirs is None or ours <= theirs / 4
        found = f"{ours / 1e6:.0f} MB; PyTorch needs more than {memory_mb()} MB" if theirs is None else f"{ours / 1e6:.0f} of {theirs / 1e6:.0f} MB"
        add("peak memory against PyTorch with dedup, batch of 2048, p = q = 100 %", "at most 1/4", holds, found)
    if "step" in parts:
        row = find(parts["step"], "variant", "100 %, histories of 1000")
        add("share of the measured float32 peak, p = q = 100 %", "45 %", row["share_of_roof"] >= 0.45, f"{100 * row['share_of_roof']:.0f} %")
        for share in (100, 20):
            long, short = (find(parts["step"], "variant", f"{share} %, histories of {n}")["median_ms"] for n in (1000, 50))
            add(f"histories of 1000 against 50, p = q = {share} %", "at most 1.25", long / short <= 1.25, f"{long / short:.2f}")
    if "bank" in parts:
        for line in parts["bank"]:
            if line.get("variant") == "find and gather":
                add(f"bank, {line['case']}", "0.4 ms", line["median_ms"] <= 0.4, f"{line['median_ms']:.3f} ms")
        rate = find(parts["bank"], "variant", "gather, the same ids again")["items_per_second"]
        add("rows gathered a second, one thread, cached", "10 M", rate >= 10e6, number(rate))
    if "ingest" in parts:
        rate = next(line for line in parts["ingest"] if line["variant"] == "1 threads")["items_per_second"]
        add("events with texts ingested a second and core", "100 k", rate >= 1e5, number(rate))
    if "serving" in parts:
        for kind, most in (("float32", 25), ("int8", 12)):
            line = find(parts["serving"], "case", f"500 candidates, a history of 1000, {kind}")
            add(f"a request of {line['case']}: p99", f"{most} ms", line["p99_ms"] <= most, f"{line['p99_ms']:.1f} ms (p50 {line['p50_ms']:.1f})")
    return table(["what", "target", "measured", ""], rows) + "\n" + where_requests_go(parts)


def where_requests_go(parts):
    """What a request's time is made of."""
    if "serving" not in parts or "kernels" not in parts:
        return ""
    text = ""
    for kind, variant in (("float32", "rankmixer_block"), ("int8", "rankmixer_block, int8")):
        request = next(line for line in parts["serving"] if line["case"] == f"500 candidates, a history of 1000, {kind}")
        block = next(line for line in parts["kernels"] if line["case"] == "RankMixer block of 500 samples, inference" and line.get("variant") == variant)
        text += (f"Of a request's {request['p50_ms']:.1f} ms in {kind}, the two RankMixer blocks of 500 candidates, 4.2 GFLOP, take {2 * block['median_ms']:.1f} ms, {block['gflops']:.0f} billion operations a second; "
                 f"histories, features and queries are read in {request['prepare_ms']:.1f} ms.\n")
    return text + "\n"


INTRODUCTION = """# Performance: {chip}, {path}

Written by `bench/write_results.py`; do not edit. {cores} cores, {processor}, path `{path}`. Times are medians of steps taken in turns in one run: only their ratios mean something
on another machine. The roof is what the machine gave at most just before with as many threads: float32 multiply-adds of this path in registers (`bench/peak.cpp`), and memory read.
The workload of the step is described in `bench/step_workload.h`; PyTorch's side, `bench/pytorch/`, is the same model, padded, and has the same loss and
gradients from the same weights, which is checked before anything is timed.

"""
HEADINGS = {
    "pytorch": "## A training step against PyTorch\n\n`bench/pytorch/compare.py`. Tuned: OpenBLAS for this path, threads that do not spin long, an allocator that keeps its memory; as lemur sets them for itself.\n",
    "memory": "## Memory at a large batch\n\n`bench/pytorch/compare.py --batch 2048 --only dedup dedup-installed`\n",
    "step": "## A training step by its parts\n\n`lemur bench step`\n",
    "kernels": "## Kernels\n\n`lemur bench kernels`\n",
    "bank": "## Bank and tables\n\n`lemur bench bank`\n",
    "loader": "## Loader\n\n`lemur bench loader`\n",
    "ingest": "## Before the model\n\n`lemur bench ingest`\n",
    "serving": "## Serving\n\n`lemur bench serving`: requests one at a time through the predictor, without HTTP, float32 and 8 bits in turns.\n",
    "scaling": "## Scaling\n\n`lemur bench scaling`: p = q = 20 %, one size grown at a time.\n",
}


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", required=True)
    parser.add_argument("--path", help="default: the best of this machine")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    version = subprocess.run(["build/lemur", "--version"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    path = arguments.path or re.search(r"cpu path: (\S+)", version)[1]
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: measure(name, folder, path) for name in PARTS if name in arguments.only or (folder / f"{name}.jsonl").exists()}
    text = INTRODUCTION.format(cores=os.cpu_count(), processor=processor(), path=path, chip=arguments.chip) + "## Targets\n\n" + targets(parts)
    for name, heading in HEADINGS.items():
        if name in parts:
            text += heading + "\n" + (compared(parts[name]) if name in ("pytorch", "memory") else tables(parts[name]))
    (ROOT / f"docs/performance/{arguments.chip}-{path}.md").write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
