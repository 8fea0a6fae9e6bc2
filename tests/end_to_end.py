#!/usr/bin/env python3
"""Runs the program as a user does: a simulated world from raw files to predictions, killed and resumed on the way.

  tests/end_to_end.py [--lemur build/lemur] [--kills 5] [--seed 1]
"""
import argparse
import csv
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from program import run

SMALL = ["model.encoder_width=32", "model.representation_width=32", "model.document_layers=2", "model.query_layers=1", "model.tokens=8",
         "model.token_width=32", "train.batch_size=128", "train.epochs=2", "train.checkpoint_every=20", "train.evaluate_every=60",
         "bank.forward=0.5", "bank.backward=0.25", "bank.deferred_gradient=true", "bank.refresh_budget=0.1", "bank.history_gradient=true", "bank.fill=true",
         "model.encoder_dropout=0.1", "model.patch_pixels=16", "train.image_flip=true", "train.image_crop=0.2"]


def pair_auc(scores, labels):
    """AUC by counting pairs through ranks; ties count half."""
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    rank_sum, i = 0.0, 0
    while i < len(order):
        j = i
        while j < len(order) and scores[order[j]] == scores[order[i]]:
            j += 1
        rank_sum += sum(labels[order[k]] for k in range(i, j)) * (i + j + 1) / 2
        i = j
    positives = sum(labels)
    negatives = len(labels) - positives
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives) if positives and negatives else None


def check_predictions(path, metrics):
    """Recomputes AUC, QAUC and UAUC from the predictions alone."""
    rows = list(csv.DictReader(open(path)))
    assert list(rows[0]) == ["row", "request", "user", "document", "label", "weight", "score"], rows[0]
    assert len(rows) == metrics["rows"]
    for name, key in (("auc", lambda r: 0), ("qauc", lambda r: r["request"]), ("uauc", lambda r: r["user"])):
        groups = defaultdict(lambda: ([], []))
        for row in rows:
            scores, labels = groups[key(row)]
            scores.append(float(row["score"]))
            labels.append(int(float(row["label"])))
        values = [a for a in (pair_auc(*group) for group in groups.values()) if a is not None]
        mean = sum(values) / len(values)
        assert abs(mean - metrics[name]) < 1e-6, (name, mean, metrics[name])
    return len(rows)


def check_export(folder, width):
    """Reads what NumPy would read, and compares it with the IDs beside it."""
    ids = (folder / "ids.txt").read_text().splitlines()
    vectors = (folder / "vectors.npy").read_bytes()
    assert len(set(ids)) == len(ids) > 100, len(ids)
    assert f"'shape': ({len(ids)}, {width})".encode() in vectors[:128]
    assert len(vectors) == 128 + 4 * width * len(ids)
    for encoder in ("document_encoder", "query_encoder"):
        assert json.loads((folder / encoder / "config.json").read_text())["hidden_size"] == width


def digest(folder):
    # The manifest is left out: it repeats the checksums and names the best metric's history.
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.name != "manifest.json"}


def last_checkpoint(run_folder):
    return max(p for p in run_folder.iterdir() if p.name.startswith("step-") and "." not in p.name)


def kill_and_resume(command, run_folder, reference, whole_seconds, kills, seed):
    """Starts, kills -9 at random moments, resumes, and compares the end with that of an uninterrupted run."""
    draw = random.Random(seed)
    killed = 0
    while killed < kills:
        process = subprocess.Popen([*map(str, command), "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=draw.uniform(0.2, max(1.0, whole_seconds * 0.6)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            continue
        assert process.returncode == 0, process.returncode
        # It came to its end: begin anew, so that every kill falls into work.
        assert digest(last_checkpoint(run_folder)) == digest(reference)
        shutil.rmtree(run_folder)
    run(*command, "--resume")
    assert digest(last_checkpoint(run_folder)) == digest(reference), "a killed and resumed run differs from the uninterrupted one"


def check_bench(lemur):
    """Every line of a bench is JSON; where it was timed, its numbers are there."""
    lines = [json.loads(line) for line in run(lemur, "bench", "step", "bank", "--rounds", "1", "--json").stdout.splitlines()]
    timed = [line for line in lines if "variant" in line]
    assert {line["bench"] for line in timed} == {"step", "bank"}, lines
    assert all(0 < line["low_ms"] <= line["median_ms"] <= line["high_ms"] and line["ratio"] > 0 for line in timed), timed
    run(lemur, "bench", "nonsense", code=2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", default=str(Path(__file__).resolve().parent.parent / "build/lemur"))
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lemur = args.lemur
    work = Path(tempfile.mkdtemp(prefix="lemur-end-to-end-"))
    try:
        world, store = work / "world", work / "store"
        run(lemur, "synth", "--out", world, "--documents", 1500, "--users", 300, "--events", 20000, "--seed", args.seed,
            "--images")
        run(lemur, "ingest", "--config", world / "world.toml", "--store", store)
        run(lemur, "inspect", store, "--verify")
        command = [lemur, "train", "--config", world / "world.toml", "--store", store, "--run", work / "whole", "--set", *SMALL]
        start = time.time()
        run(*command)
        seconds = time.time() - start
        reference = last_checkpoint(work / "whole")
        assert len(list(open(work / "whole/metrics.jsonl"))) > 3
        inspected = run(lemur, "inspect", work / "whole").stdout
        assert re.search(r"^popularity +documents +coverage +age +staleness +freshness$", inspected, re.M), inspected
        assert "bank_deciles" not in inspected, inspected
        run(lemur, "inspect", reference, "--verify")
        run(*command, code=2)  # a run is never overwritten

        evaluate = [lemur, "evaluate", "--run", work / "whole", "--store", store]
        metrics = json.loads(run(*evaluate, "--json", "--predictions", work / "predictions.csv").stdout)
        rows = check_predictions(work / "predictions.csv", metrics)
        assert metrics["split"] == "test" and metrics["auc"] > 0.55, metrics
        assert metrics["cold_rows"] == 0, "training ends with a full bank"
        run(*evaluate, "--split", "nonsense", code=2)
        shown = run(lemur, "baselines", "--store", store, "--run", work / "whole", "--json", work / "methods.json").stdout
        methods = json.loads((work / "methods.json").read_text())["methods"]
        assert [method["name"] for method in methods] == ["popularity", "bm25", "bm25 + popularity", "item-item", "logistic regression",
                                                          "gradient-boosted trees"], methods
        assert all(method["name"] in shown and method["rows"] == metrics["rows"] for method in methods), shown
        assert methods[-1]["auc"] > 0.55 and 0.7 < methods[-1]["calibration"] < 1.4, methods[-1]
        assert (work / "whole/baselines-test.json").read_bytes() == (work / "methods.json").read_bytes()
        run(lemur, "baselines", "--store", store, "--split", "nonsense", code=2)
        run(lemur, "baselines", "--store", store, "--run", world, code=1)
        export = [lemur, "export", "--run", work / "whole", "--store", store, "--out", work / "exported"]
        run(*export)
        check_export(work / "exported", width=32)
        run(*export, code=2)  # nothing is overwritten
        run(lemur, "ingest", "--config", world / "nothing.toml", "--store", store, code=2)
        eighth = json.loads(run(*evaluate, "--json", "--int8").stdout)
        assert abs(eighth["auc"] - metrics["auc"]) < 0.002, (eighth["auc"], metrics["auc"])
        for flags in ([], ["--int8"]):
            answered = run(lemur, "serve", "--run", work / "whole", "--store", store, "--check", *flags).stdout
            assert re.match(r"step-\d+ answers \d+ logged requests", answered), answered
        run(lemur, "serve", "--run", work / "whole", "--store", store, "--listen", "0.0.0.0:0", code=2)  # no token
        print(f"raw files to predictions: {rows} test rows, AUC {metrics['auc']:.4f}, training {seconds:.0f} s")

        check_bench(lemur)

        resumable = [*command]
        resumable[resumable.index(work / "whole")] = work / "killed"
        kill_and_resume(resumable, work / "killed", reference, seconds, args.kills, args.seed)
        print(f"{args.kills} times kill -9 and resume: bit-identical")

        interrupted = [*command]
        interrupted[interrupted.index(work / "whole")] = work / "interrupted"
        process = subprocess.Popen(list(map(str, interrupted)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (work / "interrupted/metrics.jsonl").exists():
            time.sleep(0.05)
        time.sleep(seconds * 0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130, process.returncode
        run(*interrupted, "--resume")
        starts = [entry["step"] for entry in json.loads((work / "interrupted/environment.json").read_text())]
        assert len(starts) == 2 and starts[0] == 0 < starts[1], starts
        assert digest(last_checkpoint(work / "interrupted")) == digest(reference)
        print("Ctrl-C checkpoints, exits 130 and resumes: bit-identical")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
