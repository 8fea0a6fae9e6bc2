#!/usr/bin/env python3
"""Trains a small world with hostile texts, serves it, and uses the page in a browser (tests/serve_browser.mjs).

  tests/serve_browser.py [--lemur build/lemur] [--keep FOLDER]   --keep: where world, run and screenshots stay
"""
import argparse
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from program import run
from serving import Server

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "<img src=x onerror=alert(1)>"


def make_run(lemur, work):
    """Makes a world whose document 7 has a hostile ID and whose every fifth title begins hostile; trains on it."""
    world = work / "world"
    run(lemur, "synth", "--out", world, "--documents", 300, "--users", 60, "--events", 3000, "--images")
    config = (world / "world.toml").read_text()
    name = f"CASE WHEN document = 7 THEN '{HOSTILE}' ELSE document::VARCHAR END AS document"
    title = f"CASE WHEN document % 5 = 0 OR document = 7 THEN '{HOSTILE} ' || title ELSE title END AS title"
    for table, changes in (("documents", f"{name}, {title}, '{world}/' || cover AS cover"), ("events", name)):
        plain = f'{table} = "{table}.parquet"'
        assert plain in config, config
        config = config.replace(plain, f"""{table} = "sql: SELECT * REPLACE ({changes}) FROM '{world}/{table}.parquet'\"""")
    (world / "hostile.toml").write_text(config)
    run(lemur, "ingest", "--config", world / "hostile.toml", "--store", work / "store")
    run(lemur, "train", "--config", world / "hostile.toml", "--store", work / "store", "--run", work / "run",
        "--set", "train.epochs=1", "train.batch_size=128")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", default=str(ROOT / "build/lemur"))
    parser.add_argument("--keep")
    args = parser.parse_args()
    work = Path(args.keep or tempfile.mkdtemp(prefix="lemur-serve-")).resolve()
    work.mkdir(exist_ok=True)
    token = "a-token-of-a-test-0123456789"
    (work / "token").write_text(token)
    try:
        if not (work / "run/best").exists():
            make_run(args.lemur, work)
        options = [args.lemur, work / "run", work / "store", "--without-feedback", "--access-log", ""]
        changing = work / "changing"  # where the test publishes checkpoints
        shutil.rmtree(changing, ignore_errors=True)
        shutil.copytree(work / "run", changing)
        servers = [
            Server(*options),
            Server(*options, "--token-file", work / "token"),
            Server(args.lemur, changing, *options[2:], "--checkpoint", "newest", "--poll-seconds", 0.1),
            Server(*options, "--max-queue", 1, "--batch-wait-ms", 2000, "--deadline-ms", 30000),
        ]
        with ExitStack() as stack:
            urls = [f"http://127.0.0.1:{stack.enter_context(server).port}/" for server in servers]
            done = run("node", ROOT / "tests/serve_browser.mjs", *urls, token, changing, work)
        assert all(server.code == 0 for server in servers), "a server did not end well"
        print(done.stdout, end="")
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
