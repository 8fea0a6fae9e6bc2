"""Runs programs of tests, and `lemur serve` on a free port."""
import signal
import subprocess
import sys


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}")
    return done


class RunningServer:
    """`lemur serve` with these options from entering to leaving, when it must end well."""

    def __init__(self, lemur, *options):
        self.command = [str(c) for c in (lemur, "serve", "--listen", "127.0.0.1:0", *options)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("serving "):
            self.process.kill()
            self.process.wait()
            sys.exit(f"{' '.join(self.command)}: does not serve: {line}")
        self.url = f"http://127.0.0.1:{int(line.split()[-1])}/"
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        if kind is None and code != 0:
            sys.exit(f"the server ended with {code}")
