#!/usr/bin/env bash
# Cross-compiles the loops over vectors (lemur/simd) for 64-bit ARM and runs their tests under qemu-user, on NEON and on SVE.
# Needs the packages of scripts/bootstrap.sh --with-arm64.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset arm64 >/dev/null
cmake --build build-arm64 -j2
ctest --test-dir build-arm64 --output-on-failure -R simd
