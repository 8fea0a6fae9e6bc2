"""`lemur serve` for tests: started on a free port, ended with the test."""

import re
import signal
import subprocess


class Server:
    """A server of a run; `port` is where it listens. Use with `with`."""

    def __init__(self, program, run, store, *options):
        self.command = [str(program), "serve", "--run", str(run), "--store", str(store), "--listen", "127.0.0.1:0", *map(str, options)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"on port (\d+)", line)
        if not found:
            self.process.wait(timeout=30)
            raise RuntimeError(f"the server did not start: {line!r}")
        self.port = int(found.group(1))
        return self

    def rss_bytes(self):
        """Returns the memory that the process holds."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.code = self.process.wait(timeout=60)
        self.process.stdout.close()
