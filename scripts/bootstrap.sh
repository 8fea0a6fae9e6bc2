#!/usr/bin/env bash
# Installs what the project needs (Debian packages, the pinned DuckDB) and builds build/lemur. Safe to run again.
#   scripts/bootstrap.sh [--no-build] [--with-pytorch]
#     --with-pytorch   also PyTorch, which bench/pytorch compares with
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  build-essential cmake ninja-build ccache git ca-certificates pkg-config npm
  clang clang-format clang-tidy libclang-rt-dev python3
  libtorch-dev libopenblas0-openmp libtcmalloc-minimal4 libicu-dev libtomlplusplus-dev libcli11-dev libspdlog-dev
  libfmt-dev nlohmann-json3-dev robin-map-dev libxxhash-dev libzstd-dev libgtest-dev
  libdnnl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev
  libmicrohttpd-dev prometheus-cpp-dev libsimdjson-dev python3-jsonschema
)
build=yes
for argument in "$@"; do
  case $argument in
    --no-build) build=no ;;
    --with-pytorch) packages+=(python3-torch) ;;
    *) echo "bootstrap: unknown argument $argument" >&2; exit 2 ;;
  esac
done
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

missing=()
for package in "${packages[@]}"; do
  # npm may come with a Node.js that is no Debian package.
  if [ "$package" = npm ] && command -v npm >/dev/null; then continue; fi
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "bootstrap: installing ${missing[*]}"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# libtorch pulls in the reference BLAS, 50 times slower: make OpenBLAS (OpenMP) the system's choice where it is not.
for library in libblas.so.3 liblapack.so.3; do
  chosen=$(readlink -f "/etc/alternatives/$library-x86_64-linux-gnu" || true)
  wanted="/usr/lib/x86_64-linux-gnu/openblas-openmp/$library"
  if [ -e "$wanted" ] && [ "$chosen" != "$wanted" ]; then
    $sudo update-alternatives --quiet --set "$library-x86_64-linux-gnu" "$wanted"
  fi
done

# DuckDB: library and header from two pinned npm packages, unpacked without running their install scripts.
duckdb=third_party/duckdb
if [ ! -e "$duckdb/libduckdb.so" ] || [ ! -e "$duckdb/duckdb.h" ]; then
  echo "bootstrap: fetching DuckDB 1.4.4"
  mkdir -p "$duckdb"
  scratch=$(mktemp -d)
  (cd "$scratch" && npm pack --silent @duckdb/node-bindings-linux-x64@1.4.4-r.4 duckdb@1.4.4 >/dev/null)
  tar -xzf "$scratch"/duckdb-node-bindings-linux-x64-1.4.4-r.4.tgz -C "$scratch"
  cp "$scratch/package/libduckdb.so" "$duckdb/"
  tar -xzf "$scratch"/duckdb-1.4.4.tgz -C "$scratch" package/src/duckdb/src/include/duckdb.h
  cp "$scratch/package/src/duckdb/src/include/duckdb.h" "$duckdb/"
  rm -rf "$scratch"
fi

[ $build = no ] && exit 0
cmake --preset release
cmake --build build -j2
echo "bootstrap: ready; try build/lemur --help"
