#!/usr/bin/env python3
"""Measures what the model learns on the simulated world, whose true click probability p* is known, and fails where it learns too little.

  tests/learning.py [--lemur build/lemur] [--work FOLDER] [--events 300000] [--seeds 1 2 3] [--checks ratio bank ladder]

ratio:  (AUC - 0.5) over (AUC of p* - 0.5) on the split test.
bank:   AUC that p = q = 20 % loses against p = q = 100 %.
ladder: the variants of the paper's main table, each better than the one before it: means over the seeds. In a world with fewer documents
        and users, so that each is seen often enough to learn from its ID: in the default world the first three are equal, and with 2000 users for 300 k events mlp is above rankmixer.
A finished run in the work folder is not trained again.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST_RATIO, MOST_LOST = 0.85, 0.005
FULL = ["bank.forward=1", "bank.backward=1"]
NO_CONTENT = ["model.content=false", "bank.enabled=false"]
LADDER = {
    "mlp": [*NO_CONTENT, "model.ranker=mlp", "model.id_history=false"],
    "rankmixer": [*NO_CONTENT, "model.id_history=false"],
    "longer": NO_CONTENT,
    "sqdc": ["bank.enabled=false"],
    "bank": FULL,
}


class Bench:
    def __init__(self, lemur, work, events, documents, users):
        self.lemur, self.work, self.world, self.store = lemur, work, work / "world", work / "store"
        if not (self.store / "manifest.json").exists():
            self.run("synth", "--out", self.world, "--events", events, "--documents", documents, "--users", users)
            self.run("ingest", "--config", self.world / "world.toml", "--store", self.store)
        self.best_auc = json.loads((self.world / "summary.json").read_text())["auc_of_p_star_last"]

    def run(self, *arguments):
        done = subprocess.run([str(a) for a in (self.lemur, *arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def measure(self, name, seed, overrides):
        """Trains (or goes on) and returns the metrics of the best checkpoint on test."""
        run = self.work / f"{name}-{seed}"
        result = self.work / f"{name}-{seed}.json"
        if not result.exists():
            more = ["--resume"] if (run / "config.toml").exists() else ["--set", *overrides, f"train.seed={seed}"]
            self.run("train", "--config", self.world / "world.toml", "--store", self.store, "--run", run, *more)
            result.write_text(self.run("evaluate", "--run", run, "--store", self.store, "--split", "test", "--json"))
        metrics = json.loads(result.read_text())
        print(f"{name} seed {seed}: AUC {metrics['auc']:.4f} QAUC {metrics['qauc']:.4f}, ratio to p* {self.ratio(metrics['auc']):.3f}", flush=True)
        return metrics["auc"]

    def ratio(self, auc):
        return (auc - 0.5) / (self.best_auc - 0.5)

    def mean(self, name, seeds, overrides):
        values = [self.measure(name, seed, overrides) for seed in seeds]
        spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{name}: AUC {statistics.mean(values):.4f}{spread}", flush=True)
        return statistics.mean(values)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", type=Path, default=Path(__file__).parent.parent / "build/lemur")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--events", type=int, default=300000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--checks", nargs="+", choices=["ratio", "bank", "ladder"], default=["ratio", "bank", "ladder"])
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run")
    arguments = parser.parse_args()
    scratch = tempfile.TemporaryDirectory()
    work, events = arguments.work or Path(scratch.name), arguments.events
    faults = []

    def demand(holds, what):
        print(("good: " if holds else "FAILED: ") + what, flush=True)
        if not holds:
            faults.append(what)

    if {"ratio", "bank"} & set(arguments.checks):
        bench = Bench(arguments.lemur, work, events, documents=events // 15, users=events // 60)
        full = bench.mean("bank", arguments.seeds, [*FULL, *arguments.set])
        if "ratio" in arguments.checks:
            demand(bench.ratio(full) >= LEAST_RATIO, f"ratio to p* {bench.ratio(full):.3f}, demanded {LEAST_RATIO}")
    if "bank" in arguments.checks:
        part = bench.mean("bank-20", arguments.seeds, ["bank.forward=0.2", "bank.backward=0.2", *arguments.set])
        demand(full - part <= MOST_LOST, f"p = q = 20 % loses {full - part:.4f}, allowed {MOST_LOST}")
    if "ladder" in arguments.checks:
        bench = Bench(arguments.lemur, work / "ladder", events, documents=events // 150, users=events // 500)
        before = None
        for name, overrides in LADDER.items():
            auc = bench.mean(name, arguments.seeds, [*overrides, *arguments.set])
            if before:
                demand(auc > before[1], f"{before[0]} {before[1]:.4f} < {name} {auc:.4f}")
            before = (name, auc)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
