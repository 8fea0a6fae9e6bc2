#!/usr/bin/env bash
# Builds with CUDA into build-cuda, compares the GPU with the CPU and measures a step at the paper's scale.
#   scripts/gpu.sh [FOLDER]   FOLDER: of a LibTorch 2.x with CUDA; default: that of python3's torch
# Needs a GPU, nvcc, and the packages of scripts/bootstrap.sh but libtorch-dev (see docs/gpu.md).
set -euo pipefail
cd "$(dirname "$0")/.."
stop() { echo "gpu: $*" >&2; exit 1; }

command -v nvidia-smi >/dev/null && nvidia-smi -L | grep -q GPU || stop "no GPU here"
export PATH="$PATH:/usr/local/cuda/bin"
command -v nvcc >/dev/null || stop "no nvcc here"
torch=${1:-$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)' 2>/dev/null)} ||
  stop "no LibTorch: give its folder, or install PyTorch with CUDA for python3"
for tool in cmake ninja pkg-config g++; do
  command -v $tool >/dev/null || stop "$tool is missing; scripts/bootstrap.sh --no-build installs it on Debian 12"
done
[ -e third_party/duckdb/libduckdb.so ] || stop "third_party/duckdb is missing; scripts/bootstrap.sh --no-build fetches it"

cmake -G Ninja -S . -B build-cuda -DCMAKE_BUILD_TYPE=Release -DLEMUR_TORCH="$torch" -DLEMUR_CUDA=ON ||
  stop "the build could not be configured: see above what is missing; docs/gpu.md lists the needs"
cmake --build build-cuda --target lemur lemur-learn lemur-bench cuda_test
build-cuda/cuda_test
build-cuda/lemur bench gpu
