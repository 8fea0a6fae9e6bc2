#!/usr/bin/env bash
# Installs, builds, lints and tests everything on a fresh Debian 12 or 13. Needs nothing beside the checkout: tests make their data.
#   scripts/test.sh [--long]   --long: also the sanitizers, more of the fuzzing, and what models learn on simulated worlds (hours)
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh --with-pytorch --with-browser
export PATH="$PWD/third_party/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"  # what bootstrap chose and built with
scripts/lint.sh
scripts/check_cuda.sh
ctest --test-dir build --output-on-failure
tests/cpu_paths.py
tests/end_to_end.py
tests/ingest_cases.py
tests/leaks.py
tests/sparse.py
tests/report_browser.py
tests/serve_browser.py
tests/feature_parity.py
tests/serve_under_load.py
tests/examples.py
movielens=data/ml1m
if [ -e $movielens/events.csv ]; then
  tests/serving_parity.py --config configs/ml1m.toml --events $movielens/events.csv --limit 600
else
  echo "test: skipped: serving_parity on MovieLens-1M, which is not in $movielens (docs/movielens.md says how to get it)"
fi
bench/pytorch/compare.py --rounds 1 --batch 32 --only padded dedup dedup-20
if [ "${1:-}" = --long ]; then
  scripts/fuzz.sh 120
  scripts/sanitize.sh
  tests/learning.py
else
  scripts/fuzz.sh 10
fi
