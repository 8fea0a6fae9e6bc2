#!/usr/bin/env bash
# Cross-compiles for 64-bit ARM and runs the tests under qemu-user: of the loops over vectors (lemur/simd), on NEON and on SVE.
#   scripts/arm64.sh [--all]   --all: every program and every test
# Needs the packages of scripts/bootstrap.sh --with-arm64.
set -euo pipefail
cd "$(dirname "$0")/.."
only=ON
tests=(-R simd)
if [ "${1:-}" = --all ]; then only=OFF tests=(); fi
cmake --preset arm64 -D LEMUR_SIMD_ONLY=$only >/dev/null
cmake --build build-arm64 -j2
ctest --test-dir build-arm64 --output-on-failure "${tests[@]}"
