#!/usr/bin/env python3
"""Checks real requests and answers of every route against docs/openapi.json.

  tests/openapi_answers.py --server build/serve_fake
"""
import argparse
import json
import re
import sys
from pathlib import Path

import jsonschema

from fake_server import FakeServer, request

DOCUMENT = json.loads((Path(__file__).parent.parent / "docs/openapi.json").read_text())
EVENT = {"user": 42, "document": "7", "time_ms": 978300000000, "request": "r1", "query": "q", "labels": {"click": 1, "like": 0},
         "action": "click", "features": {"hour": "12", "age": 33}}
TENSORS = [{"name": "documents", "datatype": "BYTES", "shape": [3], "data": ["1", "2", "x"]},
           {"name": "user", "datatype": "BYTES", "shape": [1], "data": ["42"]},
           {"name": "query", "datatype": "BYTES", "shape": [1], "data": ["a query"]}]
FULL = {"user": "42", "query": "text", "request": "id", "time_ms": 978300000000, "features": {"hour": "12", "age": 3.2},
        "documents": ["1", 2, {"id": "x9", "texts": {"title": "A film"}, "features": {"genres": ["a", "b"], "price": 3, "rate(user)": 0.5}}],
        "history": {"long": [{"document": "5", "time_ms": 978200000000, "action": "click"}]}, "deadline_ms": 5000, "explain": True}


def bad(user):
    return {"user": user, "documents": [1]}


# (method, path, path of the document, body, status)
CALLS = [
    ("POST", "/v1/rank", "/v1/rank", FULL, 200),
    ("POST", "/v1/rank", "/v1/rank", {"documents": list(range(1, 33)), "top": 3}, 200),
    ("POST", "/v1/rank", "/v1/rank", {"documents": [1.5]}, 400),
    ("POST", "/v1/rank", "/v1/rank", {"documents": [1] * 2001}, 422),
    ("POST", "/v1/rank", "/v1/rank", {"documents": []}, 422),
    ("POST", "/v1/rank", "/v1/rank", bad("overloaded"), 429),
    ("POST", "/v1/rank", "/v1/rank", bad("late"), 504),
    ("POST", "/v1/rank", "/v1/rank", bad("unready"), 503),
    ("POST", "/v1/rank", "/v1/rank", bad("broken"), 500),
    ("POST", "/v1/rank", "/v1/rank", b" " * (2 << 20), 413),
    ("POST", "/v1/embed", "/v1/embed", {"query": "text"}, 200),
    ("POST", "/v1/embed", "/v1/embed", {"document": {"id": "new", "texts": {"title": "t"}}}, 200),
    ("POST", "/v1/embed", "/v1/embed", {"document": "nobody"}, 422),
    ("POST", "/v1/embed", "/v1/embed", {}, 400),
    ("POST", "/v1/feedback", "/v1/feedback", {"events": [EVENT, {**EVENT, "id": 5}]}, 200),
    ("POST", "/v1/feedback", "/v1/feedback", {"events": [{"user": 1}]}, 400),
    ("POST", "/v1/feedback", "/v1/feedback", {"events": [{**EVENT, "action": "kick"}]}, 422),
    ("GET", "/v1/documents/7", "/v1/documents/{id}", None, 200),
    ("GET", "/v1/documents/10000", "/v1/documents/{id}", None, 200),
    ("GET", "/v1/documents/nobody", "/v1/documents/{id}", None, 404),
    ("GET", "/v1/documents/%FF", "/v1/documents/{id}", None, 400),
    ("GET", "/v1/documents/7/image?field=cover", "/v1/documents/{id}/image", None, 200),
    ("GET", "/v1/documents/7/image?field=back", "/v1/documents/{id}/image", None, 404),
    ("GET", "/v1/documents/7/image?side=9", "/v1/documents/{id}/image", None, 400),
    ("GET", "/v1/users/42/history?name=long&limit=5", "/v1/users/{id}/history", None, 200),
    ("GET", "/v1/users/nobody/history", "/v1/users/{id}/history", None, 200),
    ("GET", "/v1/users/42/history?name=none", "/v1/users/{id}/history", None, 404),
    ("GET", "/v1/users/42/history?limit=0", "/v1/users/{id}/history", None, 400),
    ("GET", "/v1/examples?count=2", "/v1/examples", None, 200),
    ("GET", "/v1/examples?count=2&count=3", "/v1/examples", None, 400),
    ("GET", "/v1/status", "/v1/status", None, 200),
    ("GET", "/", "/", None, 200),
    ("GET", "/v2", "/v2", None, 200),
    ("GET", "/v2/health/live", "/v2/health/live", None, 200),
    ("GET", "/v2/health/ready", "/v2/health/ready", None, 200),
    ("GET", "/v2/models/fake", "/v2/models/{name}", None, 200),
    ("GET", "/v2/models/other", "/v2/models/{name}", None, 404),
    ("GET", "/v2/models/fake/ready", "/v2/models/{name}/ready", None, 200),
    ("POST", "/v2/models/fake/infer", "/v2/models/{name}/infer", {"id": "i", "inputs": TENSORS}, 200),
    ("POST", "/v2/models/fake/infer", "/v2/models/{name}/infer", {"inputs": TENSORS[:1], "outputs": [{"name": "scores_like"}]}, 200),
    ("POST", "/v2/models/fake/infer", "/v2/models/{name}/infer", {"inputs": TENSORS[1:]}, 422),
    ("POST", "/v2/models/other/infer", "/v2/models/{name}/infer", {"inputs": TENSORS}, 404),
    ("GET", "/metrics", "/metrics", None, 200),
    ("GET", "/openapi.json", "/openapi.json", None, 200),
]


def validate(value, schema):
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def resolve(response):
    return DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]] if "$ref" in response else response


def check(server, method, path, template, body, status):
    operation = DOCUMENT["paths"][template][method.lower()]
    found, headers, answer = server.exchange(request(method, path, body, ["X-Request-Id: check-1"]))
    assert found == status, f"status {found}, expected {status}: {answer[:300]}"
    assert headers["x-request-id"] == "check-1"
    assert str(status) in operation["responses"], f"the document lacks status {status}"
    if status in (429, 503):
        assert int(headers["retry-after"]) > 0
    if status == 200 and body is not None:
        validate(body, operation["requestBody"]["content"]["application/json"]["schema"])
    (kind, content), = resolve(operation["responses"][str(status)])["content"].items()
    assert headers["content-type"].split(";")[0] == kind, headers["content-type"]
    if kind == "application/json":
        validate(json.loads(answer), content["schema"])
    return operation["operationId"], status


def check_metrics(server):
    text = server.exchange(request("GET", "/metrics"))[2].decode()
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .*|[a-z_]+(\{([a-z]+="[^"]*",?)*\})? [-+.e0-9naif]+', line), line
    for part in ['lemur_http_requests_total{route="rank",status="200"} 2', 'lemur_errors_total{kind="overloaded"} 1',
                 'lemur_feedback_events_total{result="written"} 2', 'lemur_model_version_info{name="fake",version="step-000007"} 1',
                 'lemur_request_seconds_bucket{stage="total",le="+Inf"}']:
        assert part in text, f"{part} is missing:\n{text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="build/serve_fake")
    options = parser.parse_args()
    failed, seen = [], set()
    with FakeServer(options.server) as server:
        for call in CALLS:
            try:
                seen.add(check(server, *call))
            except (AssertionError, jsonschema.ValidationError) as error:
                failed.append(f"{call[0]} {call[1]} -> {call[4]}: {error}")
        check_metrics(server)
        served = json.loads(server.exchange(request("GET", "/openapi.json"))[2])
        if served != DOCUMENT:
            failed.append("/openapi.json is not docs/openapi.json")
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            if (operation["operationId"], 200) not in seen:
                failed.append(f"{path}: no call was answered 200")
    if failed:
        sys.exit("\n".join(failed))
    print(f"openapi_answers: {len(CALLS)} answers of {len(DOCUMENT['paths'])} paths agree with docs/openapi.json")


if __name__ == "__main__":
    main()
