#!/usr/bin/env python3
"""Asks `lemur serve`, with nothing but the standard library.

    examples/client.py rank 17 4 9 --user 42 --query "space films"
    examples/client.py embed --query "space films"
    examples/client.py feedback --user 42 --document 9 --label click=1

The address is --url, the token the file --token-file. A request that the server is too busy for is sent again
when the server asks for it (Retry-After), --retries times.
"""
import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid


class Refused(Exception):
    """The server answered with an error: `status`, and its `code` and message."""

    def __init__(self, status, code, message):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code = status, code


class LemurClient:
    """Speaks to one server. Safe to use from several threads."""

    def __init__(self, url="http://127.0.0.1:8080", token=None, retries=3, timeout=10):
        self.url, self.token, self.retries, self.timeout = url.rstrip("/"), token, retries, timeout

    def rank(self, documents, **request):
        """Returns the answer to POST /v1/rank. `request`: user, query, features, history, top, explain ..."""
        return self._post("/v1/rank", {"documents": documents, **request})

    def embed(self, **subject):
        """Returns the vector of `query` or `document`."""
        return self._post("/v1/embed", subject)["vector"]

    def feedback(self, events):
        """Returns once the events are on the server's disk. Each needs a user, a document and labels or an action."""
        # IDs of our own: what is sent again is not counted twice.
        return self._post("/v1/feedback", {"events": [{"id": uuid.uuid4().hex, **event} for event in events]})

    def _post(self, path, body):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        for attempt in range(self.retries + 1):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code in (429, 503) and attempt < self.retries:
                    time.sleep(float(error.headers.get("Retry-After", 1)))
                    continue
                raise refusal_of(error) from None


def refusal_of(error):
    try:
        details = json.load(error)["error"]
        return Refused(error.code, details["code"], details["message"])
    except (ValueError, KeyError):
        return Refused(error.code, "none", error.reason)


def print_ranking(answer):
    documents = sorted(answer["documents"], key=lambda document: document["rank"])
    for document in documents:
        print(f"{document['rank']:3}  {document['score']:.6f}  {document['id']}  {' '.join(document['flags'])}".rstrip())
    print(f"{answer['model']['name']} {answer['model']['version']}, {answer['timings_ms']['total']:.1f} ms", file=sys.stderr)


def label(text):
    name, _, value = text.partition("=")
    if value not in ("0", "1"):
        raise argparse.ArgumentTypeError("expected NAME=0 or NAME=1")
    return name, int(value)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--token-file")
    parser.add_argument("--retries", type=int, default=3)
    commands = parser.add_subparsers(dest="command", required=True)
    rank = commands.add_parser("rank")
    rank.add_argument("documents", nargs="+")
    rank.add_argument("--user")
    rank.add_argument("--query")
    rank.add_argument("--top", type=int)
    embed = commands.add_parser("embed")
    subject = embed.add_mutually_exclusive_group(required=True)
    subject.add_argument("--query")
    subject.add_argument("--document")
    feedback = commands.add_parser("feedback")
    feedback.add_argument("--user", required=True)
    feedback.add_argument("--document", required=True)
    feedback.add_argument("--label", type=label, action="append", required=True)
    return parser.parse_args()


def main():
    options = arguments()
    token = None
    if options.token_file:
        with open(options.token_file, encoding="ascii") as file:
            token = file.read().strip()
    client = LemurClient(options.url, token, options.retries)
    given = {key: getattr(options, key, None) for key in ("user", "query", "top", "document")}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        if options.command == "rank":
            print_ranking(client.rank(options.documents, **given))
        elif options.command == "embed":
            print(json.dumps(client.embed(**given)))
        else:
            print(json.dumps(client.feedback([{**given, "labels": dict(options.label)}])))
    except (Refused, OSError) as error:
        sys.exit(f"client: {error}")


if __name__ == "__main__":
    main()
