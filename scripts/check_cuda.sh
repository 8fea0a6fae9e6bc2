#!/usr/bin/env bash
# Compiles the CUDA kernels for the chips that are built for, and reads the C++ that only a build with CUDA has. Needs nvcc and CUDA's headers, no GPU. Says so and succeeds where they are missing.
set -uo pipefail
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
touch "$scratch/empty.cu"
# nvcc itself says where its headers are: the command found may be a wrapper that stands elsewhere.
headers=$("$nvcc" --dryrun -c "$scratch/empty.cu" 2>&1 | sed -n 's/^#\$ INCLUDES="-I\([^"]*\)".*/\1/p')
if [ ! -f "$headers/cuda_runtime_api.h" ]; then
  echo "check_cuda: no nvcc with its headers here: the kernels were not compiled for a GPU"
  exit 0
fi

# device code
kernel() {
  "$nvcc" -std=c++17 -O2 -I. -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
    -Werror all-warnings -c "$1" -o "$scratch/$(basename "$1").o"
}

# Host code beside a LibTorch that need not have CUDA: the header that its build would make is empty, and a later LibTorch's functions are declared.
glue() {
  g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I. -isystem "$scratch/include" -isystem "$headers" \
    -isystem /usr/include/torch/csrc/api/include -include torch/types.h -include lemur/kernels/flash_declarations_testing.h "$1"
}

check() {
  case $1 in
    *.cu) kernel "$1" ;;
    *) glue "$1" ;;
  esac || { echo "check_cuda: FAILED: $1" >&2; exit 255; }
}

mkdir -p "$scratch/include/c10/cuda/impl"
touch "$scratch/include/c10/cuda/impl/cuda_cmake_macros.h"
export nvcc headers scratch
export -f kernel glue check
kernels=$(git ls-files -co --exclude-standard -- '*.cu')
printf '%s\n' $kernels lemur/kernels/device_cuda.cpp lemur/kernels/flash_attention.cpp lemur/model/encoder_graphs.cpp |
  xargs -r -P "$(nproc)" -I {} bash -c 'check {}' || exit 1
echo "check_cuda: $(wc -w <<<"$kernels") files of kernels compile for sm_80 and sm_90; the files around them are well-formed"
