#!/usr/bin/env python3
"""Trains where clicks are sparse: a simulated world of 64 impressions a request, of which some 1.5 % are clicked. As published the
encoders collapse there; with the program's defaults they do not, and rank by the cosine of query and document alone.

  tests/sparse.py [--lemur build/lemur] [--events 300000] [--steps 250] [--json FILE]
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

from program import run

# What train did before, as the paper has it: few clicks a step, encoders drawn at random, the ranking loss's whole gradient into them.
PUBLISHED = ["train.order=window", "train.batch_size=512", "model.text_start=random", "model.text_pooling=cls", "train.encoder_gradient=1",
             "train.encoder_gradient_after=0", "model.temperature=50", "model.alignment_weight=0.1", "train.encoder_learning_rate=0.001",
             "bank.encode_clicked=false"]
DEFAULTS = []
WARNING = "the encoders do not tell documents apart"


def measure(options, work, name, overrides):
    settings = [f"train.max_steps={options.steps}", "train.epochs=5", f"train.log_every={options.steps}", f"train.evaluate_every={options.steps}",
                "bank.forward=0.2", "bank.backward=0.2", *overrides]
    done = run(options.lemur, "train", "--config", work / "world/world.toml", "--store", work / "store", "--run", work / name, "--set", *settings)
    lines = [json.loads(line) for line in (work / name / "metrics.jsonl").read_text().splitlines()]
    values = {key: value for line in lines for key, value in line.items()}
    keys = ["representation/mean_cosine", "representation/effective_rank", "train/alignment", "train/alignment_chance", "valid/content_qauc",
            "valid/content_mrr", "valid/qauc", "valid/calibration"]
    measured = {key.split("/")[1] if key.startswith("repr") else key: round(values[key], 4) for key in keys}
    measured["warned"] = WARNING in done.stdout + done.stderr
    print(f"{name}: {measured}", flush=True)
    return measured


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", type=Path, default=Path("build/lemur"))
    parser.add_argument("--events", type=int, default=300000)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run(options.lemur, "synth", "--out", work / "world", "--sparse", "--events", options.events, "--documents", 3000, "--users", 500)
        world = json.loads((work / "world/summary.json").read_text())
        print(f"click rate {world['click_rate']:.4f}, {world['events'] / world['requests']:.1f} impressions a request")
        run(options.lemur, "ingest", "--config", work / "world/world.toml", "--store", work / "store")
        published, defaults = (measure(options, work, name, overrides) for name, overrides in [("published", PUBLISHED), ("defaults", DEFAULTS)])
    if options.json:
        options.json.write_text(json.dumps({"world": world, "published": published, "defaults": defaults}, indent=1) + "\n")
    wanted = {
        "the world is sparse": 0.01 < world["click_rate"] < 0.02 and world["events"] / world["requests"] > 60,
        "as published the encoders collapse, and that is said": published["mean_cosine"] > 0.9 and published["warned"],
        "with the defaults they do not": defaults["mean_cosine"] < 0.7 and not defaults["warned"],
        "and use directions enough": defaults["effective_rank"] > 2 * published["effective_rank"] and defaults["effective_rank"] > 16,
        "SQDC learns": defaults["train/alignment"] < 0.6 * defaults["train/alignment_chance"],
        "the cosine alone ranks": defaults["valid/content_qauc"] > published["valid/content_qauc"] + 0.05,
        "the model is no worse": defaults["valid/qauc"] > published["valid/qauc"],
        "what was drawn is corrected for": 0.7 < defaults["valid/calibration"] < 1.4,
    }
    failed = [what for what, holds in wanted.items() if not holds]
    if failed:
        sys.exit(f"sparse: failed: {'; '.join(failed)}")
    print("sparse: all as wanted")


if __name__ == "__main__":
    main()
