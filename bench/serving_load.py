#!/usr/bin/env python3
"""Loads `lemur serve` with wrk over loopback, alone or while checkpoints are swapped.

    bench/serving_load.py --run RUN --store STORE [--documents 100] [--clients 1 2 4 8 16 32] [--seconds 10] [--int8]
    bench/serving_load.py --run RUN --store STORE --swaps 1000 [--clients 8]

Prints a line of JSON for each load. The candidates are drawn from the documents, users and queries that the store's predictions name.
With --swaps, copies of the newest checkpoint are published one after the other in a copy of the run while wrk runs; p99 is compared with that of
the same load without swaps just before.
"""

import argparse
import csv
import http.client
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from serving import Server  # noqa: E402

LUA = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local next = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  next = next %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[next])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def write_bodies(path, predictions, documents):
    with open(predictions, newline="") as file:
        rows = list(csv.DictReader(file))
    random.seed(1)
    every = sorted({row["document"] for row in rows})
    with open(path, "w") as file:
        for row in random.choices(rows, k=500):
            body = {"user": row["user"], "documents": random.choices(every, k=documents), "deadline_ms": 60000}
            file.write(json.dumps(body) + "\n")


def load(port, script, clients, seconds):
    """Runs wrk; returns requests a second, p50, p99 and the largest latency in ms, and failures."""
    command = ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "--timeout", "30s", "-s", script, f"http://127.0.0.1:{port}/v1/rank"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    requests, duration, status, socket, p50, p99, largest = map(int, re.search(r"RESULT (.*)", out).group(1).split())
    return {"clients": clients, "requests": requests, "requests_per_second": round(1e6 * requests / duration, 1), "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3,
            "max_ms": largest / 1e3, "failed": status + socket}


def version(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return re.search(r'lemur_model_version_info\{.*version="([^"]*)"', text).group(1)


def swap(server, run, checkpoint, swaps, rss, stop):
    """Publishes copies of a checkpoint, each once the one before answers; notes the memory after each."""
    step = int(checkpoint.name.removeprefix("step-"))
    before = checkpoint
    for i in range(1, swaps + 1):
        if stop.is_set():
            return
        name = f"step-{step + i:06}"
        temporary = run / f"{name}.tmp-copy"
        shutil.copytree(checkpoint, temporary)
        temporary.rename(run / name)
        limit = time.time() + 60
        while version(server.port) != name:
            assert time.time() < limit, f"{name} is not served"
            time.sleep(0.01)
        if before != checkpoint:
            shutil.rmtree(before)
        before = run / name
        rss.append(server.rss_bytes())


def measure_swaps(arguments, server, run, script):
    checkpoint = max(run.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    clients = arguments.clients[0]
    load(server.port, script, clients, 3)
    steady = load(server.port, script, clients, arguments.seconds)
    rss, stop = [], threading.Event()
    swapper = threading.Thread(target=swap, args=(server, run, checkpoint, arguments.swaps, rss, stop))
    swapper.start()
    during = []
    while swapper.is_alive():
        during.append(load(server.port, script, clients, arguments.seconds))
    swapper.join()
    p99 = sorted(line["p99_ms"] for line in during)
    print(json.dumps({"swaps": len(rss), "clients": clients, "requests": sum(line["requests"] for line in during), "failed": sum(line["failed"] for line in during),
                      "steady_p99_ms": steady["p99_ms"], "swapping_p99_ms": p99[len(p99) // 2], "ratio": p99[len(p99) // 2] / steady["p99_ms"],
                      "rss_after_10_mb": rss[min(9, len(rss) - 1)] / 1e6, "rss_at_end_mb": rss[-1] / 1e6}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default=ROOT / "build/lemur")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--swaps", type=int, default=0)
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        evaluate = [arguments.lemur, "evaluate", "--run", arguments.run, "--store", arguments.store, "--predictions", folder / "predictions.csv"]
        subprocess.run(evaluate, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        write_bodies(folder / "bodies.jsonl", folder / "predictions.csv", arguments.documents)
        script = folder / "load.lua"
        script.write_text(LUA % (folder / "bodies.jsonl"))
        run = folder / "run"
        shutil.copytree(arguments.run, run)
        options = ["--access-log", "", "--without-feedback", "--checkpoint", "newest", "--poll-seconds", "0.05", *(["--int8"] if arguments.int8 else [])]
        with Server(arguments.lemur, run, arguments.store, *options) as server:
            if arguments.swaps:
                measure_swaps(arguments, server, run, script)
            else:
                load(server.port, script, 1, 3)
                for clients in arguments.clients:
                    print(json.dumps({"documents": arguments.documents, "int8": arguments.int8, **load(server.port, script, clients, arguments.seconds), "rss_mb": server.rss_bytes() / 1e6}), flush=True)


if __name__ == "__main__":
    main()
