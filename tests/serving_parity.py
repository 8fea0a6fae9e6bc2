#!/usr/bin/env python3
"""Scores over HTTP equal those of `evaluate --predictions`, for every impression of a split, whatever they are batched with.

    tests/serving_parity.py --run RUN --store STORE --events FILE.csv [--split test] [--limit N] [--features NAME ...]

EVENTS is the CSV that the store was made of: it has the time of each row, the query and the columns of --features. Prints the largest difference.
"""

import argparse
import concurrent.futures
import csv
import http.client
import json
import random
import subprocess
import tempfile
from pathlib import Path

from serving import Server


def ask(port, bodies):
    """Sends requests one after the other on one connection; returns the answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    answers = []
    for body in bodies:
        connection.request("POST", "/v1/rank", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, (response.status, text)
        answers.append(json.loads(text))
    connection.close()
    return answers


def compare(rows, bodies, port, clients, name):
    """Returns the largest difference of a row's score over HTTP and its prediction."""
    parts = [list(range(part, len(rows), clients)) for part in range(clients)]
    worst = 0.0
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for part, answers in zip(parts, pool.map(lambda part: ask(port, [bodies[i] for i in part]), parts)):
            for i, answer in zip(part, answers):
                score = next(document["score"] for document in answer["documents"] if document["id"] == rows[i]["document"])
                worst = max(worst, abs(score - float(rows[i]["score"])))
    print(f"{name}: {len(rows)} impressions, largest difference {worst:.2e}", flush=True)
    return worst


def make_requests(rows, events, arguments):
    """Returns a request for each row alone, and one among other candidates."""
    random.seed(1)
    documents = sorted({row["document"] for row in rows})
    alone, among = [], []
    for row in rows:
        event = events[int(row["row"])]
        body = {"user": row["user"], "time_ms": int(event[arguments.time]), "documents": [row["document"]], "deadline_ms": 60000}
        if event.get("query"):
            body["query"] = event["query"]
        if arguments.features:
            body["features"] = {name: event[name] for name in arguments.features}
        alone.append(body)
        others = [document for document in random.sample(documents, min(len(documents), random.randrange(1, 8))) if document != row["document"]]
        place = random.randrange(len(others) + 1)
        among.append({**body, "documents": [*others[:place], row["document"], *others[place:]]})
    return alone, among


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/lemur")
    parser.add_argument("--run", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--events", required=True)
    parser.add_argument("--time", default="time_ms", help="column of the time in milliseconds")
    parser.add_argument("--split", default="test")
    parser.add_argument("--features", nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=0, help="impressions that are compared; 0: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.csv"
        command = [arguments.program, "evaluate", "--run", arguments.run, "--store", arguments.store, "--split", arguments.split, "--predictions", predictions]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(predictions, newline="") as file:
            rows = list(csv.DictReader(file))
    if arguments.limit:
        rows = rows[: arguments.limit]
    with open(arguments.events, newline="") as file:
        events = list(csv.DictReader(file))
    alone, among = make_requests(rows, events, arguments)
    with Server(arguments.program, arguments.run, arguments.store, "--access-log", "", "--without-feedback") as server:
        worst = compare(rows, alone, server.port, 1, "one request at a time")
        worst = max(worst, compare(rows, among, server.port, 16, "16 clients, among other candidates"))
    assert worst <= 1e-5, worst


if __name__ == "__main__":
    main()
