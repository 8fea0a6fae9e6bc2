#!/usr/bin/env python3
"""Makes a report of real runs with the program and looks at it in a browser (tests/report_browser.mjs).

  tests/report_browser.py [--lemur build/lemur] [--keep FOLDER]   --keep: where the pages and their screenshots stay
"""
import argparse
import json
import shutil
import tempfile
from pathlib import Path

from program import run

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "<img src=x onerror=alert(1)>"
SMALL = ["model.encoder_width=32", "model.representation_width=32", "model.document_layers=2", "model.query_layers=1", "model.tokens=8",
         "model.token_width=32", "train.batch_size=128", "train.epochs=2", "train.evaluate_every=40", "train.log_every=5",
         "bank.forward=0.5", "bank.backward=0.25", "bank.refresh_budget=0.1"]
BASELINE = ["model.ranker=mlp", "model.content=false", "model.id_history=false", "bank.enabled=false"]


def scaling_lines():
    """Lines as `lemur bench scaling --json` prints them, with figures whose description is known."""
    cases = {"the batch": [(64, 4, {"update_ms": 2, "encode_ms": 2}), (256, 2.5, {"update_ms": 0.75, "encode_ms": 1.75}),
                           (1024, 2, {"update_ms": 0.5, "encode_ms": 1.5})],
             "the length of histories": [(100, 1, {"rank_ms": 0.5, "encode_ms": 0.5}), (10000, 10, {"rank_ms": 7.7, "encode_ms": 2.3})],
             "the vocabulary": [(5000, 1, {}), (300000, 1.05, {})],
             "the documents": [(1000, 1, {}), (10000, 0.5, {}), (100000, 2, {})]}
    for what, points in cases.items():
        for size, cost, parts in points:
            yield {"bench": "scaling", "case": f"one sample's share of a step, against {what}", "variant": str(size), "median_ms": cost,
                   "low_ms": cost * 0.95, "high_ms": cost * 1.1, "ratio": cost / points[0][1], "items_per_second": 1000 / cost, "parts": parts}
    for size, cost in ((1000, 0.01), (1000000, 0.03), (10000000, 0.12)):
        yield {"bench": "bank", "case": f"1000 ids of {size} documents, width 128", "variant": "find and gather", "median_ms": cost, "low_ms": cost,
               "high_ms": cost * 1.2, "ratio": cost / 0.01, "gigabytes_per_second": 0.77 / cost, "items_per_second": 1e6 / cost, "share_of_roof": 0.05}


def ablation_table():
    """A table as `lemur ablate` writes it."""
    def metric(mean, change):
        return {"by_seed": [mean], "mean": mean, "half_width": 0.01, "change_percent": change, "change_half_width": None if change is None else 0.2}

    def row(arm, title, mean, change, paper):
        return {"arm": arm, "title": title, "learning_rate": 0.001, "valid": {"0.001": mean}, "auc": metric(mean, change), "qauc": metric(mean, change),
                "uauc": metric(mean, change), "parameters": 92e6, "flops_per_step": 1.673e12, "ranker_flops_per_sample": 3.2e6, "samples_per_second": 100, "hours": 0.5,
                "paper": {"auc": paper, "qauc": None, "parameters": None, "flops_per_step": 2.439e12}}

    return {"table": "main", "title": "Main table", "base": "mlp", "seeds": 3, "split": "test", "learning_rates": [0.001], "notes": ["a note"],
            "rows": [row("mlp", "DLRM-MLP", 0.7, None, 0.74071), row("bank", HOSTILE, 0.71, 1.43, 1.44)]}


def make_pages(lemur, work):
    world, store = work / "world", work / "store"
    run(lemur, "synth", "--out", world, "--documents", 1000, "--users", 200, "--events", 10000)
    run(lemur, "ingest", "--config", world / "world.toml", "--store", store)
    for name, more in (("lemur", []), (HOSTILE, BASELINE)):
        train = [lemur, "train", "--config", world / "world.toml", "--store", store, "--run", work / name]
        run(*train, "--set", *SMALL, *more)
        run(lemur, "evaluate", "--run", work / name, "--store", store)
        kept = [json.loads(file.read_text()) for file in (work / name).glob("evaluation-test-step-*.json")]
        assert len(kept) == 1 and 1 < len(kept[0]["calibration_bins"]) <= 20, kept
        assert len(json.loads((work / name / "environment.json").read_text())) == 1
    run(lemur, "baselines", "--store", store, "--run", work / "lemur", work / HOSTILE)
    found = json.loads((work / "lemur/baselines-test.json").read_text())
    assert found["split"] == "test" and found["methods"][-1]["name"] == "gradient-boosted trees", found
    assert found == json.loads((work / HOSTILE / "baselines-test.json").read_text())
    bench = work / "bench.jsonl"
    bench.write_text(run(lemur, "bench", "step", "--rounds", "1", "--json").stdout + "".join(json.dumps(line) + "\n" for line in scaling_lines()))
    table = work / "main.json"
    table.write_text(json.dumps(ablation_table()))
    run(lemur, "report", "--run", work / "lemur", work / HOSTILE, "--bench", bench, "--ablation", table, "--out", work / "report.html")

    begun = work / "begun"
    begun.mkdir()
    for name in ("run.json", "config.toml", "schema.json", "vocab.txt"):
        shutil.copy(work / "lemur" / name, begun)
    run(lemur, "report", "--run", begun, "--out", work / "empty.html")


def check_refusals(lemur, work):
    out = work / "refused.html"
    refused = run(lemur, "baselines", "--store", work / "store", "--run", work / "world", code=1)
    assert "holds no run" in refused.stderr, refused.stderr
    refused = run(lemur, "report", "--run", work / "world", "--out", out, code=1)
    assert refused.stderr.count("\n") == 1 and "holds no run" in refused.stderr, refused.stderr
    broken = work / "broken.jsonl"
    broken.write_text("kernels: 3 ms\n")
    refused = run(lemur, "report", "--run", work / "lemur", "--bench", broken, "--out", out, code=1)
    assert "broken.jsonl line 1 is none of `lemur bench --json`" in refused.stderr, refused.stderr
    assert not out.exists()
    run(lemur, "report", "--run", work / "lemur", code=2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", default=str(ROOT / "build/lemur"))
    parser.add_argument("--keep")
    args = parser.parse_args()
    work = Path(args.keep or tempfile.mkdtemp(prefix="lemur-report-"))
    work.mkdir(exist_ok=True)
    try:
        make_pages(args.lemur, work)
        check_refusals(args.lemur, work)
        print(run("node", ROOT / "tests/report_browser.mjs", work / "report.html", work / "empty.html", work).stdout, end="")
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
