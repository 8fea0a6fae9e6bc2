#!/usr/bin/env python3
"""Clients rank, embed, look things up, send feedback and mistakes while checkpoints are swapped; every answer is what it should be.

  tests/serve_under_load.py [--lemur build/lemur] [--server build/lemur-serve] [--seconds 10] [--clients 6] [--threads 0]

--lemur makes world, store and run, --server is what is tested: with a sanitizer, a fault ends it with another exit code than 0.
ThreadSanitizer does not see how OpenMP's threads wait for each other: with it, --threads 1.
"""
import argparse
import http.client
import json
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from program import run
from serving import Server

ROOT = Path(__file__).resolve().parent.parent


def make_run(lemur, work):
    world = work / "world"
    run(lemur, "synth", "--out", world, "--documents", 300, "--users", 60, "--events", 3000)
    for command in (["ingest"], ["train", "--run", work / "run", "--set", "train.epochs=1", "train.batch_size=128"]):
        run(lemur, *command, "--config", world / "world.toml", "--store", work / "store")


class Client(threading.Thread):
    """Sends requests of all kinds one after the other and counts the answers by what was asked and status."""

    def __init__(self, port, seed, stop):
        super().__init__()
        self.port, self.random, self.stop = port, random.Random(seed), stop
        self.answers, self.versions, self.fault = Counter(), set(), None

    def document(self):
        return str(self.random.randrange(320))  # the last ones are unknown

    def request(self):
        """Returns (kind, method, path, body, right status)."""
        r = self.random
        user, query = str(r.randrange(70)), r.choice(["space films", "a b c", ""])
        documents = [self.document() for _ in range(r.randint(1, 40))]
        return r.choice([
            ("rank", "POST", "/v1/rank", {"user": user, "query": query, "documents": documents, "deadline_ms": 60000}, 200),
            ("rank", "POST", "/v1/rank", {"documents": [{"id": "new", "texts": {"title": f"a {r.random()}"}}], "deadline_ms": 60000}, 200),
            ("explain", "POST", "/v1/rank", {"user": user, "query": query, "documents": documents[:3], "explain": True, "deadline_ms": 60000}, 200),
            ("embed", "POST", "/v1/embed", {"query": f"space {r.randrange(50)}", "deadline_ms": 60000}, 200),
            ("feedback", "POST", "/v1/feedback", {"events": [{"id": f"{self.name}-{r.random()}", "user": user, "document": d, "action": "label"} for d in documents[:3]]}, 200),
            ("history", "GET", f"/v1/users/{user}/history", None, 200),
            ("document", "GET", f"/v1/documents/{r.randrange(300)}", None, 200),
            ("status", "GET", "/v1/status", None, 200),
            ("metrics", "GET", "/metrics", None, 200),
            ("page", "GET", "/", None, 200),
            ("mistake", "POST", "/v1/rank", {"documents": documents, "features": {"no such": 1}}, 422),
        ])

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            while not self.stop.is_set():
                kind, method, path, body, right = self.request()
                connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
                assert response.status == right, (kind, response.status, text[:300])
                self.answers[kind] += 1
                if kind == "rank":
                    self.versions.add(json.loads(text)["model"]["version"])
        except Exception as fault:  # reported by the main thread
            self.fault = fault
            self.stop.set()
        connection.close()


def swap(folder, stop, seconds):
    """Publishes links to the newest checkpoint, two a second; returns how many."""
    first = max(folder.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    end, swaps = time.monotonic() + seconds, 0
    while time.monotonic() < end and not stop.is_set():
        swaps += 1
        name = f"step-{int(first.name.removeprefix('step-')) + swaps:06}"
        shutil.copytree(first, folder / f"{name}.tmp-copy")
        (folder / f"{name}.tmp-copy").rename(folder / name)
        stop.wait(0.5)
    return swaps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default=ROOT / "build/lemur")
    parser.add_argument("--server", default=ROOT / "build/lemur-serve")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lemur-load-") as folder:
        work = Path(folder)
        make_run(args.lemur, work)
        stop = threading.Event()
        with Server(args.server, work / "run", work / "store", "--access-log", work / "access.jsonl", "--checkpoint", "newest", "--poll-seconds", 0.1, "--threads", args.threads) as server:
            clients = [Client(server.port, seed, stop) for seed in range(args.clients)]
            for client in clients:
                client.start()
            swaps = swap(work / "run", stop, args.seconds)
            stop.set()
            for client in clients:
                client.join()
        answers, versions = sum((client.answers for client in clients), Counter()), set().union(*(client.versions for client in clients))
        for client in clients:
            if client.fault is not None:
                raise client.fault
        assert server.code == 0, f"the server ended with {server.code}"
        assert len(versions) > 1, f"only {versions} answered"
        assert len(answers) == 10, f"only {sorted(answers)} were asked"
        print(f"serve_under_load: {sum(answers.values())} answers of {len(answers)} kinds, {swaps} checkpoints published, {len(versions)} of them seen to answer")


if __name__ == "__main__":
    main()
