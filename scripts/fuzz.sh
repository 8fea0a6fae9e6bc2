#!/usr/bin/env bash
# Fuzzes what reads bytes from outside, the image decoders, the tokenizer, the parsers of requests and the readers of CSV and JSON, under ASan and UBSan. What is found stays in build-fuzz/corpus and is
# where the next call starts.
#   scripts/fuzz.sh [SECONDS]   of each target; default 10
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
cmake --preset fuzz >/dev/null
cmake --build build-fuzz -j2
build-fuzz/write_seeds build-fuzz/seeds
export UBSAN_OPTIONS=print_stacktrace=1
for target in jpeg png webp tokenizer rank_request csv json_lines; do
  mkdir -p "build-fuzz/corpus/$target"
  log="build-fuzz/$target.log"
  if ! "build-fuzz/${target}_fuzz" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="build-fuzz/$target-" "build-fuzz/corpus/$target" "build-fuzz/seeds/$target" >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "fuzz: $target: FAILED; the whole log is $log" >&2
    exit 1
  fi
  echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, clean"
done
