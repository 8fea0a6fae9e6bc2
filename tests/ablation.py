#!/usr/bin/env python3
"""Kills `lemur ablate` twice with kill -9 and expects the table of one that nobody disturbed.

  tests/ablation.py [--lemur build/lemur] [--seed 1]
"""
import argparse
import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from program import run

SMALL = ["model.encoder_width=16", "model.representation_width=16", "model.encoder_heads=2", "model.document_layers=1", "model.query_layers=1",
         "model.tokens=4", "model.token_width=16", "model.ranker_layers=1", "train.batch_size=64", "train.epochs=2", "train.threads=1",
         "train.checkpoint_every=5", "train.log_every=5"]
ARMS = """
[[arm]]
name = "ids"
title = "IDs"
set = ["model.content=false", "bank.enabled=false"]
[[arm]]
name = "again"
title = "again"
set = ["bank.enabled=false", "model.content=false", "train.epochs=2"]
[[arm]]
name = "pretraining"
title = "pre-training"
set = ["model.task_weights=[0]", "bank.fill=true", "train.metric=none", "train.epochs=1"]
pretraining = true
[[arm]]
name = "two-stage"
title = "two-stage"
set = ["model.alignment_weight=0", "bank.forward=0", "bank.backward=0", "train.freeze_encoder_steps=-1"]
start_from = "pretraining"
[[table]]
name = "small"
title = "Small"
base = "ids"
rows = [{ arm = "again", auc = 2.0 }, { arm = "ids", auc = 0.5 }, { arm = "two-stage", auc = 1.0 }]
[[table]]
name = "simple"
title = "Simple"
baselines = true
rows = [{ arm = "ids" }]
"""


def without_speed(table):
    """What two ablations have in common: not how long they took."""
    for row in table["rows"]:
        del row["samples_per_second"], row["hours"]
    table["notes"] = len(table["notes"])  # one of which tells how long pre-training took
    return table


def processes_of(folder):
    """Processes whose arguments name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            pass  # ended meanwhile
    return found


def kill_twice(command, folder, whole_seconds, draw):
    for _ in range(2):
        finished = len(list(folder.rglob("seed-*.json")))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_seconds * draw.uniform(0.15, 0.4))
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while processes_of(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not processes_of(folder), "a run outlived its ablation"
        assert len(list(folder.rglob("seed-*.json"))) >= finished


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", type=Path, default=Path(__file__).parent.parent / "build/lemur")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work, lemur = Path(tempfile.mkdtemp(prefix="lemur-ablation-")), arguments.lemur
    try:
        world, store, arms = work / "world", work / "store", work / "arms.toml"
        arms.write_text(ARMS)
        run(lemur, "synth", "--out", world, "--events", 3000, "--documents", 200, "--users", 40)
        run(lemur, "ingest", "--config", world / "world.toml", "--store", store)

        def ablate(folder, *more):
            return [str(part) for part in (lemur, "ablate", "--config", world / "world.toml", "--store", store, "--run", folder, "--arms", arms,
                                           "--table", "small", "--seeds", 2, *more, "--set", *SMALL)]

        plan = run(*ablate(work / "whole", "--learning-rates", 0.001, 0.003, "--dry-run")).stdout
        assert "ids: 3 runs, 0 finished" in plan and "two-stage: 3 runs" in plan and "pretraining: 2 runs" in plan, plan
        assert "8 runs to go" in plan, plan
        assert not (work / "whole/runs").exists(), "a dry run trains nothing"

        rates = ["--learning-rates", 0.001, 0.003]
        start = time.monotonic()
        shown = run(*ablate(work / "whole", *rates)).stdout
        seconds = time.monotonic() - start
        whole = json.loads((work / "whole/small.json").read_text())
        assert shown.strip().startswith((work / "whole/small.md").read_text().strip()), shown
        assert [row["title"] for row in whole["rows"]] == ["IDs (again)", "two-stage"], "arms that the configuration makes the same are one row"
        assert whole["rows"][0]["paper"]["auc"] == 0.5, whole
        pretraining = (work / "whole/runs/pretraining/lr-configured/seed-1/config.toml").read_text()
        assert "\nepochs = 1\n" in pretraining, "--set replaced what an arm sets"
        for row in whole["rows"]:
            assert row["learning_rate"] == float(max(row["valid"], key=row["valid"].get)), row
            assert row["flops_per_step"] > row["ranker_flops_per_sample"] > 0 and row["parameters"] > 0 and len(row["auc"]["by_seed"]) == 2, row

        assert whole["notes"][-1] == "the best learning rate is on an edge of the grid: IDs (again), two-stage", whole

        assert "simple methods on test: to go" in run(*ablate(work / "whole", *rates, "--table", "simple", "--dry-run")).stdout
        run(*ablate(work / "whole", *rates, "--table", "simple"))
        simple = json.loads((work / "whole/simple.json").read_text())
        titles = [row["title"] for row in simple["rows"]]
        assert titles[0] == "popularity" and titles[-2:] == ["gradient-boosted trees", "IDs"], titles
        best = max(simple["rows"][:-1], key=lambda row: row["qauc"]["mean"])
        model = simple["rows"][-1]
        assert simple["base"] == best["arm"] == f"baselines/{best['title']}" and simple["seeds"] == len(model["qauc"]["by_seed"]) == 2, simple
        change = 100 * (model["qauc"]["mean"] / best["qauc"]["mean"] - 1)
        assert abs(model["qauc"]["change_percent"] - change) < 1e-6, (model, best)
        assert simple["notes"][-1].startswith("gradient-boosted trees: "), simple["notes"]
        again = run(*ablate(work / "whole", *rates, "--table", "simple"))
        assert "simple methods" not in again.stderr, "what is finished runs again"
        (work / "whole/runs/baselines-test.json").write_text("{}")
        run(*ablate(work / "whole", *rates, "--table", "simple"))
        assert json.loads((work / "whole/simple.json").read_text()) == simple, "a damaged result"

        kill_twice(ablate(work / "killed", *rates), work / "killed", seconds, random.Random(arguments.seed))
        run(*ablate(work / "killed", *rates))
        killed = json.loads((work / "killed/small.json").read_text())
        assert without_speed(killed) == without_speed(whole), (killed, whole)

        start = time.monotonic()
        done = run(*ablate(work / "whole", *rates))
        assert time.monotonic() - start < seconds / 3 and "training" not in done.stderr, "what is finished runs again"
        assert "0 runs to go" in run(*ablate(work / "whole", *rates, "--dry-run")).stdout
        records = sorted((work / "killed/runs/ids").glob("lr-*/seed-1.json"))
        records[0].write_text("{}")
        records[1].write_text(json.dumps(json.loads(records[1].read_text()) | {"trained": {}, "measured on test": None}))
        run(*ablate(work / "killed", *rates))
        killed = json.loads((work / "killed/small.json").read_text())
        assert without_speed(killed) == whole, "damaged results"
        refused = run(*ablate(work / "whole", *rates), "train.epochs=1", code=2)
        assert "was begun with another configuration" in refused.stderr, refused.stderr
        arms.write_text(ARMS.replace('"train.metric=none", "train.epochs=1"', '"train.metric=none", "train.epochs=2"'))
        refused = run(*ablate(work / "whole", *rates), code=2)
        assert "was begun with another configuration" in refused.stderr, "two-stage results of another pre-training"
        arms.write_text(ARMS.replace('"train.epochs=2"', '"train.learning_rate=0.002"'))
        plan = run(*ablate(work / "own", *rates, "--dry-run")).stdout
        assert "again: 2 runs" in plan and "ids: 3 runs" in plan, "an arm's own learning rate is no grid: " + plan
        arms.write_text(ARMS)
        run(*ablate(work / "other", "--table", "nothing"), code=2)
        for wrong, part in {("--split", "nope"): "no events of split 'nope'", ("--learning-rates", 0.001, 99): "'train.learning_rate' = 99",
                            ("--learning-rates", 0.001, 0.001): "0.001 is there twice"}.items():
            refused = run(*ablate(work / "other", *wrong), code=2)
            assert part in refused.stderr, refused.stderr
        assert "leave out --set train.seed=2" in run(*ablate(work / "other"), "train.seed=2", code=2).stderr
        assert not (work / "other").exists(), "a refused command leaves nothing"
        print(f"an ablation of {seconds:.0f} s, killed twice: the same table")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
