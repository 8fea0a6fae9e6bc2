#!/usr/bin/env python3
"""Loads `lemur serve` with wrk over loopback: as fast as it answers, while checkpoints are swapped, or for long.

    bench/serving_load.py --run RUN --store STORE [--documents 100] [--clients 1 2 4 8 16 32] [--seconds 10] [--int8]
    bench/serving_load.py --run RUN --store STORE --swaps 1000 [--clients 8] [--share 0.5]
    bench/serving_load.py --run RUN --store STORE --minutes 10 [--clients 8] [--share 0.5]

Prints a line of JSON for each load. The candidates are drawn from the documents, users and queries that the store's predictions name.
With --swaps and --minutes the clients pause at random between requests, so long that they ask --share of what the server answers at most.
With --swaps, rounds without swaps and rounds of --seconds with swaps, twice as long, take turns; in the latter, links to the newest checkpoint are published in a copy of the run,
each --swap-seconds after the one before, once that one answers. The last line compares the latencies of all rounds of both kinds,
and the memory after the last ten swaps with that after the sixth to the fifteenth: medians, as it depends on what is being answered.
With --minutes, the server's memory is noted every 30 seconds; the last line has its slope.
"""

import argparse
import csv
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from serving import Server  # noqa: E402

WARM_UP_CLIENTS = 64  # their requests fill the largest batch, whose memory the server keeps
STEADY_STEP_S = 30

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
local pause_ms = tonumber(os.getenv("PAUSE_MS"))
if pause_ms > 0 then
  delay = function() return math.floor(-pause_ms * math.log(1 - math.random()) + 0.5) end
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d\\n", summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
  for i = 1, #latency do
    local us, count = latency(i)
    io.write(string.format("LATENCY %%d %%d\\n", us, count))
  end
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


class Latencies:
    """What a load took; loads add up."""

    def __init__(self):
        self.requests = self.failed = 0
        self.seconds = 0.0
        self.us = Counter()

    def add(self, other):
        self.requests += other.requests
        self.failed += other.failed
        self.seconds += other.seconds
        self.us += other.us

    def quantile_ms(self, share):
        rank, seen = share * sum(self.us.values()), 0
        for us in sorted(self.us):
            seen += self.us[us]
            if seen >= rank:
                return us / 1e3
        return 0.0

    def figures(self):
        return {"requests": self.requests, "requests_per_second": round(self.requests / self.seconds, 1), "p50_ms": self.quantile_ms(0.5),
                "p99_ms": self.quantile_ms(0.99), "max_ms": max(self.us, default=0) / 1e3, "failed": self.failed}


def load(port, script, clients, seconds, pause_ms=0.0):
    """Runs wrk, whose clients pause `pause_ms` on average between requests."""
    command = ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "--timeout", "30s", "-s", script, f"http://127.0.0.1:{port}/v1/rank"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PAUSE_MS": str(pause_ms)}).stdout
    latencies = Latencies()
    latencies.requests, duration, status, socket = map(int, re.search(r"RESULT (.*)", out).group(1).split())
    latencies.seconds, latencies.failed = duration / 1e6, status + socket
    for us, count in re.findall(r"LATENCY (\d+) (\d+)", out):
        latencies.us[int(us)] += int(count)
    return latencies


def pause_for(port, script, clients, share):
    """Returns the pause in milliseconds with which the clients ask `share` of what the server answers at most."""
    load(port, script, WARM_UP_CLIENTS, 3)
    fastest = load(port, script, clients, 5)
    print(json.dumps({"load": "fastest", "clients": clients, **fastest.figures()}), flush=True)
    pause_ms = max(0.0, 1e3 * clients / (share * fastest.requests / fastest.seconds) - load(port, script, 1, 2).quantile_ms(0.5))
    return pause_ms if share < 1 else 0.0


class Swapper:
    """Publishes links to a checkpoint as new ones, one after the other."""

    def __init__(self, server, run, swaps, every_s):
        self.server, self.run, self.swaps, self.every_s = server, run, swaps, every_s
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.first = self.newest = max(run.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
        self.rss, self.seconds = [], []  # after each swap; from publication to the first answer

    def version(self):
        self.connection.request("GET", "/v1/status")
        return json.loads(self.connection.getresponse().read())["model"]["version"]

    def swap(self):
        before, begin = self.newest, time.monotonic()
        self.newest = self.run / f"step-{int(self.first.name.removeprefix('step-')) + len(self.rss) + 1:06}"
        temporary = self.run / f"{self.newest.name}.tmp-link"
        shutil.copytree(self.first, temporary, copy_function=os.link)
        temporary.rename(self.newest)
        while self.version() != self.newest.name:
            assert time.monotonic() < begin + 60, f"{self.newest.name} is not served"
            time.sleep(0.02)
        self.seconds.append(time.monotonic() - begin)
        if before != self.first:
            shutil.rmtree(before)
        time.sleep(0.05)  # the model before is freed meanwhile
        self.rss.append(self.server.rss_bytes())

    def work(self, stop, is_swapping):
        """Swaps, or only looks as often, until told to stop; on idle cores, as what publishes is no part of the server."""
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not stop.is_set() and len(self.rss) < self.swaps:
            begin = time.monotonic()
            if is_swapping:
                self.swap()
                time.sleep(max(0.0, begin + self.every_s - time.monotonic()))
            else:
                self.version()
                time.sleep(0.02)


def measure_swaps(arguments, server, run, script):
    clients = arguments.clients[0]
    pause_ms = pause_for(server.port, script, clients, arguments.share)
    swapper = Swapper(server, run, arguments.swaps, arguments.swap_seconds)
    both = {False: Latencies(), True: Latencies()}
    while len(swapper.rss) < arguments.swaps:
        for is_swapping in both:
            stop, before = threading.Event(), len(swapper.rss)
            thread = threading.Thread(target=swapper.work, args=(stop, is_swapping))
            thread.start()
            one = load(server.port, script, clients, arguments.seconds if is_swapping else max(1, arguments.seconds // 2), pause_ms)
            stop.set()
            thread.join()
            both[is_swapping].add(one)
            print(json.dumps({"load": "swapping" if is_swapping else "steady", "swaps": len(swapper.rss) - before, **one.figures(), "rss_mb": server.rss_bytes() / 1e6}), flush=True)
    steady, swapping = both[False].figures(), both[True].figures()
    tenth, end = median(swapper.rss[5:15] or swapper.rss), median(swapper.rss[-10:])
    print(json.dumps({"swaps": len(swapper.rss), "clients": clients, "pause_ms": round(pause_ms, 1), "steady": steady, "swapping": swapping,
                      "ratio_of_p99": swapping["p99_ms"] / steady["p99_ms"], "failed": steady["failed"] + swapping["failed"],
                      "swap_p50_s": median(swapper.seconds), "swap_max_s": max(swapper.seconds),
                      "rss_after_10_mb": tenth / 1e6, "rss_at_end_mb": end / 1e6, "ratio_of_rss": end / tenth}))


def measure_memory(arguments, server, script):
    clients = arguments.clients[0]
    pause_ms = pause_for(server.port, script, clients, arguments.share)
    total, minutes, rss_mb = Latencies(), [], []
    for step in range(max(2, round(arguments.minutes * 60 / STEADY_STEP_S))):
        one = load(server.port, script, clients, STEADY_STEP_S, pause_ms)
        total.add(one)
        minutes.append((step + 1) * STEADY_STEP_S / 60)
        rss_mb.append(server.rss_bytes() / 1e6)
        print(json.dumps({"minutes": minutes[-1], **one.figures(), "rss_mb": rss_mb[-1]}), flush=True)
    mean_minute, mean_mb = sum(minutes) / len(minutes), sum(rss_mb) / len(rss_mb)
    slope = sum((m - mean_minute) * (r - mean_mb) for m, r in zip(minutes, rss_mb)) / sum((m - mean_minute) ** 2 for m in minutes)
    print(json.dumps({"minutes": minutes[-1], "clients": clients, "pause_ms": round(pause_ms, 1), **total.figures(), "rss_first_mb": rss_mb[0], "rss_last_mb": rss_mb[-1],
                      "rss_mb_per_minute": slope}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default=ROOT / "build/lemur")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--clients", type=int, nargs="+")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--swaps", type=int, default=0)
    parser.add_argument("--swap-seconds", type=float, default=0, help="at least, from one swap to the next")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--share", type=float, default=0.5, help="of the largest rate; 1: clients do not pause")
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    is_sweep = not arguments.swaps and not arguments.minutes
    arguments.clients = arguments.clients or ([1, 2, 4, 8, 16, 32] if is_sweep else [8])
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
            elif arguments.minutes:
                measure_memory(arguments, server, script)
            else:
                load(server.port, script, 1, 3)
                for clients in arguments.clients:
                    print(json.dumps({"documents": arguments.documents, "int8": arguments.int8, "clients": clients,
                                      **load(server.port, script, clients, arguments.seconds).figures(), "rss_mb": server.rss_bytes() / 1e6}), flush=True)


if __name__ == "__main__":
    main()
