#!/usr/bin/env python3
"""Trains the same model on every path of this machine (docs/cpu.md): the results agree, and a run begun on one path goes on on another.

  tests/cpu_paths.py [--lemur build/lemur]
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from program import run

SMALL = ["model.encoder_width=32", "model.representation_width=32", "model.document_layers=1", "model.query_layers=1", "model.tokens=8",
         "model.token_width=32", "train.batch_size=64", "train.epochs=2", "train.learning_rate=0.003", "train.checkpoint_every=10", "train.evaluate_every=40", "train.log_every=1",
         "bank.forward=0.5", "bank.backward=0.5"]
LOSS_BOUND = 1e-4  # relative, of the first steps, before rounding has grown
AUC_BOUND = 0.02  # of the trained model: in hundreds of steps rounding grows to what another seed would change


def steps(folder, name):
    return [line[name] for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()) if name in line]


def auc(lemur, folder, store):
    return json.loads(run(lemur, "evaluate", "--run", folder, "--store", store, "--json").stdout)["auc"]


def cpu_paths(folder):
    return [entry["cpu_path"] for entry in json.loads((folder / "environment.json").read_text())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", default=str(Path(__file__).resolve().parent.parent / "build/lemur"))
    lemur = parser.parse_args().lemur
    os.environ.pop("LEMUR_CPU", None)
    best, listed = re.search(r"cpu path: (\S+) \(this machine has (.*)\)", run(lemur, "--version").stdout).groups()
    paths = listed.split(", ")
    assert paths[0] == best, (paths, best)
    for command in (["--version"], ["train"], ["serve", "--help"]):
        os.environ["LEMUR_CPU"] = "i386"
        refused = run(lemur, *command, code=2).stderr
        assert f"LEMUR_CPU is 'i386'; this machine has: {listed}" in refused, refused
    work = Path(tempfile.mkdtemp(prefix="lemur-cpu-paths-"))
    try:
        os.environ["LEMUR_CPU"] = best
        world, store = work / "world", work / "store"
        run(lemur, "synth", "--out", world, "--documents", 300, "--users", 100, "--events", 10000, "--seed", 1)
        run(lemur, "ingest", "--config", world / "world.toml", "--store", store)
        train = lambda path: [lemur, "train", "--config", world / "world.toml", "--store", store, "--run", work / path, "--set", *SMALL]
        found = {}
        for path in paths:
            os.environ["LEMUR_CPU"] = path
            assert f"cpu path: {path} " in run(lemur, "--version").stdout
            start = time.time()
            run(*train(path))
            found[path] = (steps(work / path, "train/loss")[:5], auc(lemur, work / path, store))
            assert cpu_paths(work / path) == [path]
            losses, area = found[path]
            worst = max(abs(a / b - 1) for a, b in zip(losses, found[best][0]))
            print(f"{path}: AUC {area:.4f}, the first losses within {worst:.1e} of {best}'s, {time.time() - start:.0f} s")
            assert area > 0.55, "it has learned nothing that could differ"
            assert len(losses) == 5 and worst < LOSS_BOUND, (path, losses, found[best][0])
            assert abs(area - found[best][1]) < AUC_BOUND, (path, area, found[best][1])
        page = work / "report.html"
        run(lemur, "report", "--run", *[work / path for path in paths], "--out", page)
        assert all(f'"cpu_path":"{path}"' in page.read_text() for path in paths)
        rows = [json.loads(line) for line in run(lemur, "bench", "bank", "--rounds", "1", "--json").stdout.splitlines()]
        assert {row["path"] for row in rows} == {paths[-1]}, rows

        begun, ended = paths[0], paths[1 % len(paths)]
        os.environ["LEMUR_CPU"] = begun
        process = subprocess.Popen(list(map(str, train("crossing"))), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (work / "crossing/metrics.jsonl").exists() or len(steps(work / "crossing", "train/loss")) < 12:
            assert process.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130, process.returncode
        os.environ["LEMUR_CPU"] = ended
        run(*train("crossing"), "--resume")
        assert cpu_paths(work / "crossing") == [begun, ended]
        area = auc(lemur, work / "crossing", store)
        assert abs(area - found[begun][1]) < AUC_BOUND, (area, found[begun][1])
        print(f"begun on {begun}, ended on {ended}: AUC {area:.4f}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
