"""Runs programs in tests."""
import os
import subprocess
import sys
from pathlib import Path

# python3 and node are those that bootstrap chose.
os.environ["PATH"] = f"{Path(__file__).resolve().parent.parent / 'third_party/bin'}:{os.environ['PATH']}"


def run(*command, code=0):
    """Returns what the program printed; ends the test unless it exits with `code`."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}")
    return done
