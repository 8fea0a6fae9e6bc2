#!/usr/bin/env python3
"""Runs what lies in examples/ against a real run and a real server.

  tests/examples.py [--build build] [--keep FOLDER]
"""
import argparse
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from program import run
from serving import Server

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))
from client import LemurClient, Refused  # noqa: E402

DOCUMENTS = ["1", "2", "3", "9", "nobody"]


class Busy(http.server.BaseHTTPRequestHandler):
    """Answers 429 at first, then 200 with what was sent."""
    answers = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Busy.answers += 1
        is_busy = Busy.answers < 3
        self.send_response(429 if is_busy else 200)
        if is_busy:
            self.send_header("Retry-After", "1")
            body = b'{"error": {"code": "overloaded", "message": "full"}}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def make_run(lemur, work):
    world = work / "world"
    run(lemur, "synth", "--out", world, "--documents", 300, "--users", 60, "--events", 3000)
    run(lemur, "ingest", "--config", world / "world.toml", "--store", work / "store")
    run(lemur, "train", "--config", world / "world.toml", "--store", work / "store", "--run", work / "run",
        "--set", "train.epochs=1", "train.batch_size=128")


def ranking_of(text):
    """Returns {document: score} of lines "rank score document"."""
    lines = [line.split() for line in text.splitlines()]
    assert [int(line[0]) for line in lines] == list(range(1, len(DOCUMENTS) + 1)), text
    scores = {line[2]: float(line[1]) for line in lines}
    assert list(scores.values()) == sorted(scores.values(), reverse=True) and set(scores) == set(DOCUMENTS), text
    return scores


def check_client(url, work):
    def client(*arguments, code=0):
        return run("python3", "-B", ROOT / "examples/client.py", "--url", url, "--token-file", work / "token", *arguments, code=code)

    ranked = client("rank", *DOCUMENTS, "--user", 4, "--query", "a query")
    assert "unknown_document" in ranked.stdout and "lemur step-" in ranked.stderr, ranked
    vector = json.loads(client("embed", "--document", 1).stdout)
    assert len(vector) == 64 and any(vector), vector
    feedback = ["feedback", "--user", 4, "--document", 9, "--label", "label=1"]
    assert json.loads(client(*feedback).stdout)["written"] == 1
    wrong = client("embed", "--document", "nobody", code=1).stderr
    assert wrong.startswith("client: 422 invalid: "), wrong
    token = (work / "token").read_text()
    event = {"id": "e-1", "user": "4", "document": "9", "action": "label"}
    answers = [LemurClient(url, token).feedback([event]) for _ in range(2)]
    assert [answer["duplicates"] for answer in answers] == [0, 1], answers
    try:
        LemurClient(url).rank(DOCUMENTS)
        raise SystemExit("a client without a token gets an answer")
    except Refused as refusal:
        assert (refusal.status, refusal.code) == (401, "unauthorized"), refusal
    return ranking_of(ranked.stdout)


def check_retries():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            LemurClient(url, retries=0).rank([1])
            raise SystemExit("429 without retries is no refusal")
        except Refused as refusal:
            assert (refusal.status, refusal.code) == (429, "overloaded"), refusal
        begin = time.monotonic()
        assert LemurClient(url).rank([1], top=1) == {"documents": [1], "top": 1}
        assert time.monotonic() - begin >= 1 and Busy.answers == 3, Busy.answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_embedded(program, work, served):
    embedded = ranking_of(run(program, work / "run", work / "store", 4, "a query", *DOCUMENTS).stdout)
    for document, score in served.items():
        assert abs(embedded[document] - score) < 2e-5, f"{document}: {embedded[document]} embedded, {score} served"
    assert "usage" in run(program, code=2).stderr
    assert run(program, work / "nowhere", work / "store", "", "", 1, code=1).stderr.count("\n") == 1


def check_movielens(lemur, work):
    """A few ratings as GroupLens writes them become the files that configs/ml1m.toml reads."""
    source, out = work / "ml-1m", work / "ml1m"
    source.mkdir(exist_ok=True)
    (source / "movies.dat").write_bytes("7::Délicatessen, The \"Deli\" (1991)::Comedy|Sci-Fi\n8::No Year::Children's\n9::Unseen (2000)::Drama\n".encode("latin-1"))
    first, valid, test, end = 991353600, 1017619200, 1030838400, 1044057600  # June 2001, April 2002, September 2002, February 2003
    ratings = [(2, 8, 3, valid), (1, 8, 4, first), (1, 7, 3, first), (1, 9, 5, first - 1), (2, 7, 4, first), (1, 7, 5, test), (1, 9, 5, end),
               (2, 8, 5, valid - 1), (1, 8, 1, end - 1)]
    (source / "ratings.dat").write_text("".join("::".join(map(str, rating)) + "\n" for rating in ratings))
    run("python3", "-B", ROOT / "examples/movielens.py", source, out)
    assert (out / "documents.csv").read_text() == (
        'document,title,year,genres,poster\n7,"Délicatessen, The ""Deli"" (1991)",1991,Comedy Sci-Fi,\n8,No Year,,Children\'s,\n')
    assert (out / "events.csv").read_text().splitlines() == [
        "split,time_ms,user,document,label", f"train,{first}000,1,8,1", f"train,{first}000,2,7,1", f"train,{first}001,1,7,0",
        f"train,{valid - 1}000,2,8,1", f"valid,{valid}000,2,8,0", f"test,{test}000,1,7,1", f"test,{end - 1}000,1,8,0"]
    run(lemur, "ingest", "--config", ROOT / "configs/ml1m.toml", "--store", work / "ml1m-store",
        "--set", f"data.documents={out / 'documents.csv'}", f"data.events={out / 'events.csv'}")
    (source / "movies.dat").write_text("7::Two fields\n")
    refused = run("python3", "-B", ROOT / "examples/movielens.py", source, out, code=1).stderr
    assert "movies.dat line 1: 2 fields, expected 3" in refused, refused


def check_unit():
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        print("examples: systemd-analyze is not here: lemur.service is not checked")
        return
    done = subprocess.run([verifier, "verify", str(ROOT / "examples/lemur.service")], capture_output=True, text=True)
    faults = [line for line in done.stderr.splitlines() if "lemur.service" in line and "is not executable" not in line]
    assert not faults, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--keep")
    args = parser.parse_args()
    build, work = Path(args.build), Path(args.keep or tempfile.mkdtemp(prefix="lemur-examples-")).resolve()
    work.mkdir(exist_ok=True)
    (work / "token").write_text("a-token-of-a-test-0123456789")
    try:
        check_retries()
        check_unit()
        check_movielens(build / "lemur", work)
        if not (work / "run/best").exists():
            make_run(build / "lemur", work)
        options = ["--access-log", "", "--token-file", work / "token", "--feedback", work / "feedback"]
        with Server(build / "lemur", work / "run", work / "store", *options) as server:
            served = check_client(f"http://127.0.0.1:{server.port}", work)
        assert server.code == 0, "the server did not end well"
        check_embedded(build / "example_embed", work, served)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    print("examples: MovieLens converts; the client ranks, embeds, sends feedback and waits; the embedded ranker agrees with the server")


if __name__ == "__main__":
    main()
