#!/usr/bin/env bash
# Installs, builds, lints and tests everything on a fresh Debian 12.
#   scripts/test.sh [--long]   --long: also the sanitizers, and more of the fuzzing
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh --with-pytorch --with-browser
export PATH="$PWD/third_party/bin:$PATH"  # the interpreter that bootstrap chose
scripts/lint.sh
scripts/check_cuda.sh
ctest --test-dir build --output-on-failure
tests/cpu_paths.py
tests/end_to_end.py
tests/report_browser.py
tests/serve_browser.py
tests/serve_under_load.py
tests/examples.py
tests/serving_parity.py --config configs/ml1m.toml --events ../shared/data/ml1m/events.csv --limit 600
bench/pytorch/compare.py --rounds 1 --batch 32 --only padded dedup dedup-20
if [ "${1:-}" = --long ]; then
  scripts/fuzz.sh 120
  scripts/sanitize.sh
else
  scripts/fuzz.sh 10
fi
