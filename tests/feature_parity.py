#!/usr/bin/env python3
"""Scores over HTTP equal those of `evaluate --predictions` for every logged row, with every kind of feature; and what feedback and odd numbers do.

  tests/feature_parity.py [--lemur build/lemur] [--requests 400]

Makes its own small table: categories of one value and of several (two separators, blanks, a list), numbers of every transform with missing ones,
counters by every kind of column, with and without window and delay, of two labels, histories with different conditions and delays, requests of
several impressions some seconds apart, times with zones. Prints the largest difference.
"""
import argparse
import csv
import datetime
import http.client
import json
import math
import random
import tempfile
from pathlib import Path

from program import run
from serving import Server

LARGEST = 1e-5
START = datetime.datetime(2024, 3, 20, tzinfo=datetime.timezone.utc)
CONFIG = """
[data]
documents = "documents.jsonl"
events = "events.csv"
actions = "actions.csv"
[data.columns]
document = "item"
user = "user"
time = "at"
request = "request"
query = "query"
labels = ["click", "like"]
[data.split]
valid = 0.2
test = 0.3
[[data.text]]
column = "title"
max_tokens = 8
""" + "".join(f'[[data.feature]]\ncolumn = "{column}"\nof = "{of}"\n{rest}\n' for column, of, rest in [
    ("item", "document", "width = 4"), ("user", "user", "width = 4"), ("query", "context", "width = 4"),
    ("genres", "document", 'width = 4\nseparator = "|"'), ("tags", "document", 'width = 4\nseparator = ", "'), ("topics", "document", "width = 4"),
    ("code", "document", "width = 4"), ("price", "document", 'kind = "number"'), ("views", "document", 'kind = "number"\ntransform = "signed_log"'),
    ("rating", "document", 'kind = "number"\ntransform = "none"'), ("age", "user", "width = 4"), ("income", "user", 'kind = "number"'),
    ("place", "context", 'width = 4\nseparator = ";"'), ("hour", "context", 'kind = "number"\ntransform = "none"'),
    ("distance", "cross", 'kind = "number"\ntransform = "signed_log"')]) + "".join(f"[[data.counter]]\n{text}\n" for text in [
        'by = ["user"]\nlabel = "click"', 'by = ["item"]\nlabel = "click"\nsmoothing = 5', 'by = ["item"]\nlabel = "like"\nwindow_days = 3',
        'by = ["genres"]\nlabel = "click"', 'by = ["user", "item"]\nlabel = "click"\ndelay_seconds = 3600',
        'by = ["user", "genres"]\nlabel = "like"\nwindow_days = 7\ndelay_seconds = 60', 'by = ["place"]\nlabel = "click"\nsplits = ["train"]',
        'by = ["query", "code"]\nlabel = "click"']) + "".join(f"[[data.history]]\n{text}\n" for text in [
            'name = "all"\nlength = 30', 'name = "clicks"\nlength = 8\nwhere = "click = 1"',
            'name = "home_likes"\nlength = 8\nwhere = "like = 1 and (place = \'home\' or place is null)"',
            'name = "saves"\nlength = 5\nwhere = "action in (\'save\', \'like\')"\ndelay_seconds = 600',
            'name = "shown"\nlength = 5\nwhere = "browser = \'fox\'"']) + """
[tokenizer]
vocabulary = 300
[model]
encoder_width = 16
encoder_heads = 2
representation_width = 16
document_layers = 1
query_layers = 1
tokens = 4
token_width = 16
ranker_layers = 1
decoder_layers = 1
similarity_length = 8
[train]
max_steps = 30
batch_size = 64
warmup_steps = 5
evaluate_every = 0
threads = 2
"""


def several(r, names, separator):
    """Returns some of the names as one text with blanks and empty items, or nothing."""
    parts = r.sample(names, r.randrange(4))
    return separator.join(r.choice(["", " "]) + part + r.choice(["", " "]) for part in parts) + r.choice(["", separator])


def make_documents(r, folder):
    with open(folder / "documents.jsonl", "w") as file:
        for i in range(60):
            document = {"item": f"i{i}", "title": " ".join(r.choices(["red", "blue", "green", "old", "new", "film", "song"], k=r.randint(1, 6))),
                        "genres": several(r, ["Drama", "Comedy", "Film-Noir", "Ärger"], "|"), "tags": several(r, ["a", "b c", "d"], ", "),
                        "topics": r.sample(["x, y", "z|w", "v"], r.randrange(4)), "code": r.choice([1, 2, 3, None])}
            document |= {"price": r.choice([None, 10 ** r.uniform(-2, 6)]), "views": r.choice([None, r.randrange(10 ** 9), -5]), "rating": r.uniform(1, 5)}
            file.write(json.dumps(document) + "\n")


def make_events(r, requests):
    """Returns the impressions, by time; two requests of a user may run side by side."""
    rows = []
    for i in range(requests):
        begin = START + datetime.timedelta(milliseconds=r.randrange(86_400_000 * 20) if i % 3 else 86_400_000 * (i % 60) // 3)
        shared = {"user": r.randrange(25) if i % 3 else 7, "request": f"r{i}", "query": r.choice(["", "old film", "a new song"]), "place": several(r, ["home", "work", "away"], ";"),
                  "hour": r.choice(["", begin.hour]), "age": r.choice(["", r.randrange(18, 60)]), "income": r.choice(["", round(r.lognormvariate(9, 2), 2)]),
                  "browser": r.choice(["fox", "bear"])}
        time = begin
        for _ in range(r.randint(1, 5)):
            click = r.random() < 0.4
            rows.append({**shared, "item": f"i{min(int(r.expovariate(0.08)), 59)}", "at": time, "distance": r.choice(["", round(r.expovariate(0.01), 3)]),
                         "click": int(click), "like": int(click and r.random() < 0.5)})
            time += datetime.timedelta(milliseconds=r.choice([0, 700, 4000, 61000]))
    r.shuffle(rows)
    return rows


def zoned(r, time):
    """Writes a time in some zone, to the millisecond."""
    zone = datetime.timezone(datetime.timedelta(minutes=r.choice([0, 120, -330, 765])))
    return time.astimezone(zone).isoformat(timespec="milliseconds")


def make_tables(r, folder, requests):
    make_documents(r, folder)
    rows = make_events(r, requests)
    with open(folder / "events.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "at": zoned(r, row["at"])} for row in rows)
    with open(folder / "actions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "at", "action"])
        for _ in range(200):
            writer.writerow([r.randrange(25), f"i{r.randrange(60)}", zoned(r, START + datetime.timedelta(seconds=r.uniform(0, 86400 * 20))), r.choice(["save", "share"])])
    (folder / "data.toml").write_text(CONFIG)
    return rows


def milliseconds(time):
    return round(time.timestamp() * 1000)


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method, path, body=None):
        text = body if isinstance(body, str) else json.dumps(body)
        self.connection.request(method, path, None if body is None else text, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def history(self, user, name):
        status, answer = self.ask("GET", f"/v1/users/{user}/history?name={name}")
        assert status == 200, answer
        return [(action["document"], action["action"]) for action in answer["actions"]]


def as_number(r, text):
    """Writes the whole number of a category in one of the ways that mean it."""
    return None if text == "" else r.choice([str(text), int(text), float(text)])


def body_of(r, rows):
    """Returns the request that showed the rows, at the time of its first impression."""
    first = rows[0]
    number = lambda value: None if value == "" else float(value)
    features = {"age": as_number(r, first["age"]), "income": number(first["income"]), "hour": number(first["hour"]), "place": first["place"] or None}
    body = {"user": r.choice([first["user"], float(first["user"]), str(first["user"])]), "time_ms": min(milliseconds(row["at"]) for row in rows), "features": features,
            "documents": [{"id": row["item"], "features": {"distance": number(row["distance"])}} for row in rows], "deadline_ms": 60000}
    return body | ({"query": first["query"]} if first["query"] else {})


def check_parity(r, client, rows, predictions):
    """Returns the largest difference of any row's score."""
    requests = {}
    for number, row in enumerate(rows):
        requests.setdefault(row["request"], []).append((number, row))
    worst, compared = 0.0, 0
    for members in requests.values():
        status, answer = client.ask("POST", "/v1/rank", body_of(r, [row for _, row in members]))
        assert status == 200, answer
        for (number, _), document in zip(members, answer["documents"], strict=True):
            difference = abs(document["score"] - predictions[number])
            if difference > LARGEST:
                print(f"row {number} of {len(members)}: {document['score']} served, {predictions[number]} evaluated: {rows[number]}")
            worst, compared = max(worst, difference), compared + 1
    assert compared == len(rows) == len(predictions)
    print(f"feature_parity: {compared} rows of {len(requests)} requests, largest difference {worst:.2e}", flush=True)
    assert worst <= LARGEST, worst


def check_missing(client):
    status, answer = client.ask("GET", "/v1/status")
    assert status == 200
    expected = [("history", "shown", "browser")]
    assert [tuple(missing[key] for key in ("kind", "name", "column")) for missing in answer["missing_at_serving"]] == expected, answer


def check_feedback(client, time):
    """Events join the histories whose condition holds, and counters: the model sees them a moment later."""
    ask = {"user": "new", "documents": ["i1", "i2"], "time_ms": time + 1000, "deadline_ms": 60000}
    scores = lambda: [document["score"] for document in client.ask("POST", "/v1/rank", ask)[1]["documents"]]
    before = scores()
    event = {"user": "new", "document": "i1", "time_ms": time, "labels": {"click": 0, "like": 0}}
    events = [{**event, "id": "f1"}, {**event, "id": "f2", "document": "i2", "labels": {"click": 1, "like": 0}},
              {**event, "id": "f3", "document": "i3", "labels": {"click": 1, "like": 1}, "features": {"place": "work"}},
              {**event, "id": "f4", "document": "i4", "labels": {"click": 0, "like": 1}, "features": {"place": "home"}},
              {**event, "id": "f5", "document": "i5", "action": "save"}]
    assert client.ask("POST", "/v1/feedback", {"events": events})[0] == 200
    assert scores() != before
    assert client.ask("POST", "/v1/feedback", {"events": [{**event, "action": "shove"}]})[0] == 422
    check_histories(client)


def check_histories(client):
    documents = lambda name: sorted(client.history("new", name))
    assert documents("all") == [("i1", "impression"), ("i2", "click"), ("i3", "click"), ("i4", "like"), ("i5", "save")], documents("all")
    assert documents("clicks") == [("i2", "click"), ("i3", "click")], documents("clicks")
    assert documents("home_likes") == [("i4", "like")], documents("home_likes")
    assert documents("saves") == [("i4", "like"), ("i5", "save")], documents("saves")
    assert documents("shown") == []


def check_numbers(client):
    """What numbers at the limits give, in every kind of number field. docs/serving.md has the table."""
    small = {value: 200 for value in ("-0.0", "5e-324", "1e-310", "-1e-45")}
    never = {"NaN": 400, "Infinity": 400, "1e400": 400}
    held = {"1e39": 200, "-1e39": 200, "1e300": 200, **small, **never}  # clip, signed_log
    open_ended = {"1e39": 400, "-1e39": 400, "1e300": 400, **small, **never}  # none
    divided = {**open_ended, "1e39": 200, "-1e39": 200}  # by hour's deviation of about 7: float32 holds it
    fields = {"price": held, "views": held, "rating": open_ended, "rate(user)": open_ended, "count(item)": open_ended, "income": held, "hour": divided, "distance": held}
    for name, expected in fields.items():
        in_request = name in ("income", "hour", "rate(user)")
        for text, status in expected.items():
            feature = f'"features":{{"{name}":{text}}}'
            body = f'{{{feature},"documents":["i1"]}}' if in_request else f'{{"documents":[{{"id":"i1",{feature}}}]}}'
            found, answer = client.ask("POST", "/v1/rank", body)
            assert found == status, (name, text, found, answer)
            if status == 200:
                assert math.isfinite(answer["documents"][0]["score"]), answer
            elif text not in never:
                assert answer["error"]["field"] == ("" if in_request else "documents[0].") + f"features.{name}", answer
    found, answer = client.ask("POST", "/v1/rank", '{"features":{"hour":2e39},"documents":["i1"]}')
    print(f"feature_parity: 2e39 for a number of deviation 7 without a transform: {found} {answer.get('error', {}).get('field', '')}")
    assert found in (200, 422) and (found == 200 or answer["error"]["field"] == "features.hour"), answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lemur", default="build/lemur")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lemur, r = Path(options.lemur).resolve(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = make_tables(r, folder, options.requests)
        store, trained = folder / "store", folder / "run"
        run(lemur, "ingest", "--config", folder / "data.toml", "--store", store)
        run(lemur, "train", "--config", folder / "data.toml", "--store", store, "--run", trained)
        predictions = {}
        for split in ("train", "valid", "test"):
            run(lemur, "evaluate", "--run", trained, "--store", store, "--split", split, "--predictions", folder / "predictions.csv")
            with open(folder / "predictions.csv", newline="") as file:
                predictions |= {int(row["row"]): float(row["score"]) for row in csv.DictReader(file)}
        last = max(milliseconds(row["at"]) for row in rows)
        with Server(lemur, trained, store, "--access-log", "") as server:
            client = Client(server.port)
            check_parity(r, client, rows, predictions)
            check_missing(client)
            check_numbers(client)
            check_feedback(client, last + 1000)
        with Server(lemur, trained, store, "--access-log", "") as server:
            check_histories(Client(server.port))


if __name__ == "__main__":
    main()
