#!/usr/bin/env python3
"""Trains a configuration with several seeds and measures each on a split, and the mean of their predictions.

    bench/seeds.py --config configs/ml1m.toml --work FOLDER [--seeds 5] [--split test] [--set KEY=VALUE ...] [--json FILE]

FOLDER keeps the store, the runs and their predictions; what is there is not made again. The standard errors are those of drawing the split's users
anew, 1000 times: differences below them are ties. Prints Markdown; ± is half of the 95 % confidence interval of the mean over the seeds; the seconds
are those of training, evaluations on 'valid' included. --json keeps every seed's figures (docs/results).
"""

import argparse
import csv
import json
import random
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from interval import half_width, with_half_width

ROOT = Path(__file__).resolve().parent.parent
DRAWS = 1000


def read_predictions(path):
    with open(path, newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["row"]))
    return [row["user"] for row in rows], [float(row["label"]) > 0.5 for row in rows], [float(row["score"]) for row in rows]


def ties(scores):
    """Rows by ascending score, those of equal scores together: [[row, ...], ...]."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    groups = []
    for row in order:
        if groups and scores[groups[-1][0]] == scores[row]:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def auc(labels, groups, weights):
    """Equal scores count half. None where a label is missing."""
    below = wins = positives = 0.0
    for group in groups:
        up = sum(weights[row] for row in group if labels[row])
        down = sum(weights[row] for row in group) - up
        wins += up * (below + down / 2)
        below += down
        positives += up
    return wins / (positives * below) if positives * below > 0 else None


def measure(users, labels, scores):
    """Returns AUC, UAUC and their standard errors."""
    rows_of = defaultdict(list)
    for row, user in enumerate(users):
        rows_of[user].append(row)
    by_user = {}
    for user, rows in rows_of.items():
        of_user = [labels[row] for row in rows]
        by_user[user] = auc(of_user, ties([scores[row] for row in rows]), [1] * len(rows))
    groups = ties(scores)
    names, drawn_aucs, drawn_uaucs = sorted(rows_of), [], []
    draw = random.Random(1)
    for _ in range(DRAWS):
        drawn = draw.choices(names, k=len(names))
        weights = [0] * len(users)
        for user in drawn:
            for row in rows_of[user]:
                weights[row] += 1
        drawn_aucs.append(auc(labels, groups, weights))
        drawn_uaucs.append(statistics.mean(by_user[user] for user in drawn if by_user[user] is not None))
    uauc = statistics.mean(value for value in by_user.values() if value is not None)
    return auc(labels, groups, [1] * len(users)), uauc, statistics.stdev(drawn_aucs), statistics.stdev(drawn_uaucs)


def version_of(lemur):
    return subprocess.run([lemur, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default=ROOT / "build/lemur")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--split", default="test")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    settings = [part for setting in arguments.set for part in ("--set", setting)]

    def lemur(*command):
        subprocess.run([arguments.lemur, *command], check=True, stdout=subprocess.DEVNULL)

    if not (work / "store").exists():
        lemur("ingest", "--config", arguments.config, "--store", work / "store", *settings)
    found, all_scores, seconds = [], [], []
    for seed in range(1, arguments.seeds + 1):
        run, predictions = work / f"seed-{seed}", work / f"seed-{seed}-{arguments.split}.csv"
        if not predictions.exists():
            begin = time.monotonic()
            lemur("train", "--config", arguments.config, "--store", work / "store", "--run", run, "--resume", *settings, "--set", f"train.seed={seed}")
            (work / f"seed-{seed}.seconds").write_text(str(time.monotonic() - begin))
            lemur("evaluate", "--run", run, "--store", work / "store", "--split", arguments.split, "--predictions", predictions)
        users, labels, scores = read_predictions(predictions)
        found.append(measure(users, labels, scores))
        all_scores.append(scores)
        seconds.append(float((work / f"seed-{seed}.seconds").read_text()))

    print(f"| {arguments.split} | AUC | standard error | UAUC | standard error | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seed, (auc_, uauc, auc_error, uauc_error) in enumerate(found, 1):
        print(f"| seed {seed} | {auc_:.4f} | {auc_error:.4f} | {uauc:.4f} | {uauc_error:.4f} | {seconds[seed - 1]:.0f} |")
    columns = list(zip(*found))
    result = {"config": str(arguments.config), "set": arguments.set, "split": arguments.split, "version": version_of(arguments.lemur),
              "runs": [{"seed": seed, "auc": auc_, "uauc": uauc, "seconds": seconds[seed - 1]} for seed, (auc_, uauc, _, _) in enumerate(found, 1)],
              "mean": {"auc": statistics.mean(columns[0]), "auc_half_width": half_width(columns[0]), "auc_standard_error": statistics.mean(columns[2]),
                       "uauc": statistics.mean(columns[1]), "uauc_half_width": half_width(columns[1]), "uauc_standard_error": statistics.mean(columns[3])}}
    print(f"| mean of {len(found)} seeds | {with_half_width(columns[0])} | {result['mean']['auc_standard_error']:.4f} | {with_half_width(columns[1])} | "
          f"{result['mean']['uauc_standard_error']:.4f} | {statistics.mean(seconds):.0f} |")
    if len(found) > 1:
        together = [statistics.mean(scores) for scores in zip(*all_scores)]
        auc_, uauc, auc_error, uauc_error = measure(users, labels, together)
        result["mean_of_predictions"] = {"auc": auc_, "auc_standard_error": auc_error, "uauc": uauc, "uauc_standard_error": uauc_error}
        print(f"| mean of their predictions | {auc_:.4f} | {auc_error:.4f} | {uauc:.4f} | {uauc_error:.4f} | {sum(seconds):.0f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
