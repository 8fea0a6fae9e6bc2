#!/usr/bin/env python3
"""Kills the server while clients send feedback: every acknowledged event is in the log, once, and so is what is sent again.

  tests/kill_feedback.py --server build/serve_fake [--rounds 5]
"""
import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from fake_server import FakeServer, request


def send_until_killed(server, prefix, sent, acknowledged):
    """Sends one event after the other; notes their IDs before they are sent and when they are acknowledged."""
    for number in range(1_000_000):
        name = f"{prefix}-{number}"
        sent.append(name)
        try:
            status = post(server, name)
        except OSError:
            return
        if status == 0:
            return
        assert status == 200, status
        acknowledged.append(name)


def post(server, name):
    event = {"id": name, "user": 1, "document": 2, "action": "click", "time_ms": 978300000000}
    return server.exchange(request("POST", "/v1/feedback", {"events": [event]}))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="build/serve_fake")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    generator = random.Random(1)
    sent, acknowledged = [], []
    with FakeServer(options.server) as server:
        for round_number in range(options.rounds):
            clients = [threading.Thread(target=send_until_killed, args=(server, f"{round_number}-{client}", sent, acknowledged)) for client in range(4)]
            for client in clients:
                client.start()
            time.sleep(generator.uniform(0.05, 0.3))
            server.process.kill()
            for client in clients:
                client.join()
            server.restart()
        for name in sent:  # those without an acknowledgement, and all others too
            assert post(server, name) == 200
        log = Path(server.folder.name, "events")
        counts = Counter(json.loads(line.split(" ", 3)[3])["id"] for file in sorted(log.glob("*.log")) for line in file.read_text().splitlines())
    lost = [name for name in sent if counts[name] != 1]
    if lost or len(counts) != len(sent) or not acknowledged:
        sys.exit(f"kill_feedback: of {len(sent)} events these are not there once: {lost[:10]}")
    print(f"kill_feedback: {options.rounds} kills, {len(acknowledged)} of {len(sent)} events acknowledged before, each in the log once")


if __name__ == "__main__":
    main()
