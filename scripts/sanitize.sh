#!/usr/bin/env bash
# Runs the unit tests under ASan and UBSan, and those of loader, bank, queue, checkpoints, server and event log under TSan; hostile requests, and the server under load, under both.
#   scripts/sanitize.sh [asan|tsan]   one of the two; default both
set -euo pipefail
cd "$(dirname "$0")/.."
every_test=(base_test text_test simd_test data_test synth_test kernels_test tables_test nn_test model_test eval_test train_test crossing_test device_path_test feedback_test http_test serving_test)
threaded_tests=(base_test data_test tables_test crossing_test feedback_test http_test serving_test)
threaded="BoundedQueue*:BatchLoader*:MemoryBank*:Folder*:RunFolder*:ImageIngest*:Training.Interrupted*:Training.Skips*:Database*:HttpServer*:HttpFront*:FeedbackLog*:Predictor*:CheckpointWatcher*-FeedbackLog.*AfterKills"  # TSan starts no threads after a fork
which=${1:-both}

folder_of() { [ "$1" = release ] && echo build || echo "build-$1"; }
build() {  # preset, test programs
  cmake --preset "$1" >/dev/null
  cmake --build "$(folder_of "$1")" -j2 --target "${@:2}"
}

# The paths of this machine, the best one first; all of them for the rooms whose tests run on each.
paths_of() {
  local all
  all=$(build/lemur --version | sed -n 's/.*this machine has \(.*\))/\1/p' | tr -d ,)
  case $1 in
    simd_test | kernels_test | tables_test | nn_test) echo "$all" ;;
    *) echo "${all%% *}" ;;
  esac
}

build release lemur lemur-learn  # what the servers are given is made without sanitizers

if [ "$which" != tsan ]; then
  build asan "${every_test[@]}" serve_fake lemur-serve
  export ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=1 LSAN_OPTIONS=suppressions=tests/lsan.supp UBSAN_OPTIONS=print_stacktrace=1
  for test in "${every_test[@]}"; do
    echo "asan: $test"
    for path in $(paths_of "$test"); do LEMUR_CPU=$path "build-asan/$test" --gtest_brief=1; done
  done
  python3 -B tests/hostile_http.py --server build-asan/serve_fake
  python3 -B tests/serve_under_load.py --server build-asan/lemur-serve
fi
if [ "$which" != asan ]; then
  build tsan "${threaded_tests[@]}" serve_fake lemur-serve
  export TSAN_OPTIONS=suppressions=tests/tsan.supp:ignore_noninstrumented_modules=1
  for test in "${threaded_tests[@]}"; do
    echo "tsan: $test"
    case $test in  # where tests ingest: DuckDB holds more locks at once than TSan's search for deadlocks has room for, which aborts then
      data_test | crossing_test) deadlocks=0 ;;
      *) deadlocks=1 ;;
    esac
    OMP_NUM_THREADS=1 TSAN_OPTIONS="$TSAN_OPTIONS:detect_deadlocks=$deadlocks" "build-tsan/$test" --gtest_brief=1 --gtest_filter="$threaded"
  done
  python3 -B tests/hostile_http.py --server build-tsan/serve_fake
  python3 -B tests/serve_under_load.py --server build-tsan/lemur-serve --threads 1
fi
echo "sanitizers: clean"
