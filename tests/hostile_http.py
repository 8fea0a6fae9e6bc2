#!/usr/bin/env python3
"""Sends malformed requests of many kinds: each gets the right refusal or a closed connection, and none changes a later answer.

  tests/hostile_http.py --server build/serve_fake [--requests 1000] [--seed 1]
"""
import argparse
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fake_server import FakeServer, read_answer, request

GOOD = request("POST", "/v1/rank", {"user": 42, "query": "a query", "documents": list(range(1, 20)), "time_ms": 978300000000}, ["X-Request-Id: good"])
HEAD = "POST /v1/rank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
READ_LIMIT_MS = 400


def rank(text):
    return request("POST", "/v1/rank", text if isinstance(text, bytes) else text.encode())


def raw(text):
    return text.encode("latin-1")


# Each kind: a function of the random generator that returns the request, and the statuses that are right; 0 is a closed connection.
KINDS = {}


def kind(*statuses, close_writing=False):
    def add(function):
        KINDS[function.__name__] = (function, set(statuses), close_writing)
        return function
    return add


@kind(400)
def deep_json(r):
    depth = r.randint(17, 20000)
    opening, closing = r.choice([("[", "]"), ('{"a":', "}")])
    return rank('{"documents":' + opening * depth + "1" + closing * depth + "}")


@kind(400)
def huge_number(r):
    return rank('{"documents":[1],"time_ms":%s}' % r.choice(["1e400", "9" * r.randint(20, 5000), "-1e999", "1" + "0" * 400 + ".5"]))


@kind(400)
def beyond_float32(r):
    feature = '"%s":' + r.choice(["1e39", "-1e39", "1e300", "-1e308"])
    return rank(r.choice(['{"documents":[1],"features":{' + feature % "age" + "}}", '{"documents":[{"id":1,"features":{' + feature % "price" + "}}]}",
                          '{"documents":[1],"features":{' + feature % "rate(user)" + "}}"]))


@kind(400)
def no_time(r):
    time = r.choice(["0", "-1", "1", "978300000", "20240131", "978300000000000", "978300000000000000", "99999999999999"])
    event = '{"user":1,"document":2,"action":"click","time_ms":%s}' % time
    return r.choice([rank('{"documents":[1],"time_ms":%s}' % time), rank('{"documents":[1],"history":{"long":[{"document":1,"time_ms":%s}]}}' % time),
                     request("POST", "/v1/feedback", ('{"events":[%s]}' % event).encode())])


@kind(400)
def not_a_number(r):
    return rank('{"documents":[1],"features":{"age":%s}}' % r.choice(["NaN", "Infinity", "-Infinity", "nan", "0x10", "01", "+1", ".5", "1."]))


@kind(400)
def invalid_utf8(r):
    broken = r.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80"])
    return rank(b'{"documents":[1],"query":"' + broken + b'"}')


@kind(400)
def lone_surrogate(r):
    return rank('{"documents":["\\ud8%02x"]}' % r.randrange(256))


@kind(400)
def wrong_type(r):
    body = {"documents": [1, 2], "user": "u", "query": "q", "time_ms": 978300000000, "features": {}, "history": {}, "top": 1, "explain": False}
    body[r.choice(list(body))] = r.choice([None, [[]], 1.5, [True]])
    return request("POST", "/v1/rank", body)


@kind(400)
def duplicate_key(r):
    key = r.choice(['"documents":[1]', '"user":1', '"query":"q"', '"top":1', '"features":{}'])
    return rank('{"documents":[1],%s,%s}' % (key, key))


@kind(400)
def unknown_key(r):
    return rank(json.dumps({"documents": [1], "".join(r.choices("abcxyz_\"\\\n", k=r.randint(1, 300))): 1}))


@kind(400)
def truncated_json(r):
    whole = '{"user":"42","documents":["1","2",{"id":"3","texts":{"title":"x"}}]}'
    return rank(whole[:r.randrange(len(whole))])


@kind(400)
def random_bytes(r):
    return rank(r.randbytes(r.randint(1, 5000)))


@kind(400)
def mutated_json(r):
    whole = bytearray(b'{"user":"42","documents":["1","2"],"features":{"hour":"1"}}')
    whole[r.choice([0, 1, 6, 7, 12, len(whole) - 1])] = r.choice(b"\x00\x01\xff]")
    return rank(bytes(whole))


@kind(400)
def fraction_as_id(r):
    return rank('{"documents":[%s]}' % r.choice(["1.5", "1e17", "-0.5", "2.5e-3", "-1e300"]))


@kind(400)
def long_id(r):
    return rank(json.dumps({"documents": ["x" * r.randint(257, 3000)]}))


@kind(422)
def too_many_documents(r):
    return rank(json.dumps({"documents": [1] * r.randint(2001, 4000)}))


@kind(422)
def too_long_history(r):
    return rank(json.dumps({"documents": [1], "history": {"long": [{"document": 1, "time_ms": 978300000000}] * r.randint(5001, 6000)}}))


@kind(422)
def unknown_name(r):
    return request("POST", "/v1/rank", {"documents": [1], r.choice(["features", "history"]): {"nothing%d" % r.randrange(99): []}})


@kind(404)
def unknown_document(r):
    return request("GET", "/v1/documents/" + r.choice(["0", "99999999", "%00x"[3:], "..", "%2e%2e%2fetc", "a" * 500]))


@kind(404)
def unknown_path(r):
    return request("GET", r.choice(["//", "/v1", "/v1/rank/", "//v1/rank", "/../etc/passwd", "/v2/models/x", "/v1/documents/", "*"]))


@kind(400)
def broken_parameter(r):
    return request("GET", "/v1/users/42/history?" + r.choice(["limit=0", "limit=-1", "limit=9999999999999999999999", "limit=5&limit=5", "name=%", "name=%ff",
                                                              "&", "=", "Name=long", "limit=5%00", "a" * 1000]))


@kind(400)
def broken_percent(r):
    return request("GET", "/v1/documents/" + r.choice(["%", "%4", "%zz", "%00", "%ff", "a%c3"]))


@kind(405)
def wrong_method(r):
    return request(r.choice(["PUT", "DELETE", "PATCH", "OPTIONS", "GET"]), "/v1/rank")


@kind(421)
def foreign_host(r):
    name = r.choice(["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "localhost:port"])
    return raw("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\n{}" % (r.choice(["/v1/rank", "/v1/feedback", "/"]), name))


@kind(415)
def wrong_content_type(r):
    return raw("POST /v1/rank HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 2\r\n\r\n{}" %
               r.choice(["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx", "multipart/form-data; boundary=x"]))


@kind(415)
def compressed(r):
    return raw(HEAD + "Content-Encoding: %s\r\nContent-Length: 2\r\n\r\n{}" % r.choice(["gzip", "br", "deflate"]))


@kind(0, 408, close_writing=True)
def length_beyond_body(r):
    return raw(HEAD + 'Content-Length: %d\r\n\r\n{"documents":[1]}' % r.randint(18, 100000))


@kind(400)
def length_within_body(r):
    return raw(HEAD + 'Connection: close\r\nContent-Length: %d\r\n\r\n{"documents":[1]}' % r.randint(1, 16))


@kind(400, 413)
def length_is_no_number(r):
    return raw(HEAD + "Content-Length: %s\r\n\r\n{}" % r.choice(["-1", "+2", "2a", "0x2", "", "1e1", "2, 2", "99999999999999999999999"]))


@kind(400)
def two_lengths(r):
    return raw(HEAD + "Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}" % r.randint(2, 3))


@kind(400)
def length_and_chunks(r):
    return raw(HEAD + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n")


@kind(0, 400, 413)
def broken_chunk(r):
    return raw(HEAD + "Transfer-Encoding: chunked\r\n\r\n%s\r\n{}\r\n0\r\n\r\n" % r.choice(["zz", "-1", "f" * 17, "fffffffffffffffff", " "]))


@kind(411)
def no_length(r):
    return raw(HEAD + "\r\n")


@kind(0, 413)
def too_large(r):
    return request("POST", "/v1/rank", b" " * r.randint((1 << 20) + 1, 3 << 20))


@kind(0, 413)
def too_large_chunks(r):
    size = r.randint((1 << 20) + 1, (1 << 20) + 99999)
    return raw(HEAD + "Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size) + b" " * size + b"\r\n0\r\n\r\n"


@kind(0, 400, 413, 414, 431)
def long_head(r):
    return r.choice([request("GET", "/" + "a" * 40000), request("GET", "/v2", None, ["X-A: " + "b" * 40000]),
                     request("GET", "/v2", None, ["X-%d: y" % i for i in range(5000)])])


@kind(0, 400, 505)
def no_http(r):
    return r.choice([r.randbytes(100) + b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                     b"GET / HTTP/1.1\r\nno colon\r\nHost: localhost\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n", b"GET /v2/x HTTP/1.1\r\n\r\n"])


@kind(0, 408)
def slow_body(r):
    return raw(HEAD + "Content-Length: 100\r\n\r\n" + "{" * r.randrange(50))


@kind(0, 408)
def slow_head(r):
    return raw(HEAD)[:r.randint(1, len(HEAD))]


@kind(0, 408, close_writing=True)
def half_closed_head(r):
    return raw(HEAD)[:r.randint(0, len(HEAD))]


@kind(None)
def reset(r):
    return r.choice([GOOD, GOOD[:-5], raw(HEAD)])


def without_timings(body):
    answer = json.loads(body)
    del answer["timings_ms"]
    return json.dumps(answer, sort_keys=True)


def attack(server, name, seed):
    """Sends one request of a kind. Returns what is wrong, or nothing."""
    make, statuses, close_writing = KINDS[name]
    sent = make(random.Random(seed))
    if name == "reset":
        with server.connect() as connection:
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return None
    begin = time.monotonic()
    status, headers, body = server.exchange(sent, close_writing)
    if status not in statuses:
        return f"{name}: status {status}, expected one of {sorted(statuses)}: {sent[:200]!r} -> {body[:200]!r}"
    if status and "json" in headers.get("content-type", "") and "code" not in json.loads(body)["error"]:
        return f"{name}: the answer names no error: {body!r}"
    if time.monotonic() - begin > 5:
        return f"{name}: took {time.monotonic() - begin:.1f} s"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="build/serve_fake")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names = sorted(KINDS)
    failed = []
    with FakeServer(options.server, READ_LIMIT_MS) as server:
        status, _, body = server.exchange(GOOD)
        assert status == 200, body
        expected = without_timings(body)

        def one(i):
            name = names[i % len(names)]
            try:
                fault = attack(server, name, options.seed * 1_000_003 + i)
                status, headers, after = server.exchange(GOOD)
                if fault is None and (status != 200 or without_timings(after) != expected or headers["x-request-id"] != "good"):
                    fault = f"{name}: a later answer changed: {status} {after[:300]!r}"
            except OSError as error:
                fault = f"{name}: {error!r}"
            return name, fault

        with ThreadPoolExecutor(8) as pool:
            for name, fault in pool.map(one, range(options.requests)):
                if fault:
                    failed.append(fault)
        if server.process.poll() is not None:
            failed.append(f"the server died: {server.process.returncode}")
    if failed:
        print(Counter(fault.split(":")[0] for fault in failed))
        sys.exit("\n".join(failed[:20]) + f"\nhostile_http: {len(failed)} of {options.requests} failed")
    print(f"hostile_http: {options.requests} malformed requests of {len(names)} kinds, each refused; later answers unchanged")


if __name__ == "__main__":
    main()
