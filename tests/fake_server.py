"""Starts the test server and talks to it."""
import json
import signal
import socket
import subprocess
import tempfile
from pathlib import Path


class FakeServer:
    """A running serve_fake with a folder of its own. Ends it, and checks that it drained, on leaving."""

    def __init__(self, program, read_limit_ms=10_000, token=None):
        self.folder = tempfile.TemporaryDirectory(prefix="lemur-fake-")
        arguments = [str(program), self.folder.name, str(read_limit_ms)]
        if token:
            token_file = Path(self.folder.name) / "token"
            token_file.write_text(token)
            arguments.append(str(token_file))
        self.arguments = arguments
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def restart(self):
        """Starts a server that was killed again, on the same folder."""
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.folder.cleanup()
        if kind is None and code != 0:
            raise SystemExit(f"the server ended with {code}")

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def exchange(self, request, close_writing=False):
        """Returns (status, headers, body) of one answer; status 0 where the server closed without one."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
                if close_writing:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it may have answered and closed before it took everything
            return read_answer(connection)


def read_answer(connection):
    received = b""
    try:
        while True:
            head, separator, body = received.partition(b"\r\n\r\n")
            if separator:
                lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
                if len(body) >= int(headers.get("content-length", 0)):
                    return int(lines[0].split()[1]), headers, body
            chunk = connection.recv(65536)
            if not chunk:
                return 0, {}, received
            received += chunk
    except (ConnectionError, BrokenPipeError):
        return 0, {}, received


def request(method, path, body=None, headers=()):
    """Returns the bytes of a request; a body that is no bytes is written as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += headers
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
