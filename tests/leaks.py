#!/usr/bin/env python3
"""Trains where nothing can be learnt, and fails where a model learns it: a world of requests of five impressions, a second apart, of
which one, at random, is clicked.

  tests/leaks.py [--lemur build/lemur] [--requests 4000] [--json FILE]

What a request's later impressions know of its earlier ones (a click that already happened) would tell which is clicked: test AUC and
QAUC must be 0.5 +- 0.02 without history and counters and with each of them.
"""
import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from program import run

MOST = 0.02
BASE = """
[data]
documents = "documents.csv"
events = "events.csv"
[data.columns]
request = "request"
[data.split]
valid = 0.1
test = 0.5
[[data.feature]]
column = "document"
of = "document"
width = 8
[[data.feature]]
column = "user"
of = "user"
width = 8
"""
HISTORY = '[[data.history]]\nname = "clicks"\nlength = 20\nwhere = "label = 1"\n'
MODEL = """
[model]
content = false
tokens = 4
token_width = 16
ranker_layers = 1
decoder_layers = 1
similarity_length = 8
[bank]
enabled = false
[train]
epochs = 2
batch_size = 128
warmup_steps = 10
threads = 1
"""


def counter(*by):
    return f'[[data.counter]]\nby = {json.dumps(list(by))}\nlabel = "label"\n'


ARMS = {
    "none": "",
    "click history": HISTORY,
    "counter by user": counter("user"),
    "counter by document": counter("document"),
    "counter by user and document": counter("user", "document"),
    "all": HISTORY + counter("user") + counter("document") + counter("user", "document"),
}


def write_world(folder, requests):
    draw = random.Random(5)
    documents = [f"d{i}" for i in range(300)]
    (folder / "documents.csv").write_text("document\n" + "\n".join(documents) + "\n")
    with open(folder / "events.csv", "w") as out:
        out.write("request,user,document,time,label\n")
        for request in range(requests):
            user, clicked = f"u{draw.randrange(150)}", draw.randrange(5)
            for place, document in enumerate(draw.sample(documents, 5)):
                out.write(f"r{request},{user},{document},{1700000000 + 60 * request + place},{int(place == clicked)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default="build/lemur")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--json", help="file for the figures")
    arguments = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_world(folder, arguments.requests)
        for number, (name, extra) in enumerate(ARMS.items()):
            config, store, trained = folder / f"{number}.toml", folder / f"store-{number}", folder / f"run-{number}"
            config.write_text(BASE + extra + MODEL)
            run(arguments.lemur, "ingest", "--config", config, "--store", store)
            run(arguments.lemur, "train", "--config", config, "--store", store, "--run", trained)
            result = json.loads(run(arguments.lemur, "evaluate", "--run", trained, "--store", store, "--split", "test", "--json").stdout)
            measured[name] = {key: result[key] for key in ("auc", "qauc")}
            print(f"leaks: {name}: test AUC {measured[name]['auc']:.4f}, QAUC {measured[name]['qauc']:.4f}", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(measured, indent=1) + "\n")
    wrong = [name for name, figures in measured.items() if any(abs(value - 0.5) > MOST for value in figures.values())]
    if wrong:
        sys.exit(f"leaks: what cannot be known is known with: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
