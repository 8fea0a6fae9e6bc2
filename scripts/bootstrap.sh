#!/usr/bin/env bash
# Installs what the project needs (Debian packages, the pinned DuckDB and uPlot) and builds it in build/. Safe to run again.
#   scripts/bootstrap.sh [--no-build] [--targets "NAME ..."] [--with-pytorch] [--with-browser] [--with-arm64]
#     --targets        builds these only, such as "lemur lemur-learn"; default: all programs, tests and benches
#     --with-pytorch   also PyTorch, which bench/pytorch compares with
#     --with-arm64     also a compiler for 64-bit ARM, the program's libraries and qemu-user, for scripts/arm64.sh
#     --with-browser   also Chromium and what drives it, for the tests of pages
set -euo pipefail
cd "$(dirname "$0")/.."
# Debian's tools go before others of their names (conda, pyenv, nvm), whose folders CMake would also take libraries from.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

libraries=(
  libtorch-dev libopenblas0-openmp libtcmalloc-minimal4 libicu-dev libtomlplusplus-dev libcli11-dev libspdlog-dev
  libfmt-dev nlohmann-json3-dev robin-map-dev libxxhash-dev zlib1g-dev libzstd-dev libgtest-dev
  libhwy-dev libdnnl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev
  libmicrohttpd-dev prometheus-cpp-dev libsimdjson-dev libxgboost-dev
)
packages=(
  build-essential cmake ninja-build ccache git ca-certificates pkg-config
  clang clang-format clang-tidy libclang-rt-dev python3 python3-jsonschema "${libraries[@]}"
)
build=yes
targets=all
modules=jsonschema
browser=no
arm64=no
while [ $# -gt 0 ]; do
  case $1 in
    --no-build) build=no ;;
    --targets) targets=${2:?bootstrap: --targets needs names}; shift ;;
    --with-pytorch) modules+=,torch; packages+=(python3-torch) ;;
    --with-arm64) arm64=yes; packages+=(g++-aarch64-linux-gnu qemu-user) ;;
    --with-browser) browser=yes; packages+=(chromium fonts-dejavu-core nodejs) ;;
    *) echo "bootstrap: unknown argument $1" >&2; exit 2 ;;
  esac
  shift
done
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

# npm only downloads (npm pack): any one that runs will do, also one that is no Debian package.
npm --version >/dev/null 2>&1 || packages+=(npm)
missing=()
for package in "${packages[@]}"; do
  if [ "$package" = nodejs ] && [ -x /usr/bin/node ]; then continue; fi  # of another source than Debian
  # On Debian 13 some libraries are called <name>t64 and only provide <name>.
  { dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null || true; } | grep -q "ok installed" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "bootstrap: installing ${missing[*]}"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The interpreters of tools and tests, for who has others first on the PATH: Debian's, whose python3 has the modules of these packages.
# wrap NAME OPTIONS: third_party/bin/NAME runs /usr/bin/NAME.
wrap() {
  mkdir -p third_party/bin
  printf '#!/bin/sh\nexec /usr/bin/%s %s"$@"\n' "$1" "${2:+$2 }" >"third_party/bin/$1"
  chmod +x "third_party/bin/$1"
}
wrap python3 -Es  # without PYTHONPATH and the modules in a home folder
if ! third_party/bin/python3 -c "import $modules"; then
  echo "bootstrap: /usr/bin/python3 does not find Debian's modules ($modules)" >&2
  exit 1
fi
if [ $browser = yes ]; then wrap node; fi

# libtorch pulls in the reference BLAS, 50 times slower: make OpenBLAS (OpenMP) the system's choice where it is not.
triplet=$(gcc -print-multiarch)
for library in libblas.so.3 liblapack.so.3; do
  chosen=$(readlink -f "/etc/alternatives/$library-$triplet" || true)
  wanted="/usr/lib/$triplet/openblas-openmp/$library"
  if [ -e "$wanted" ] && [ "$chosen" != "$wanted" ]; then
    $sudo update-alternatives --quiet --set "$library-$triplet" "$wanted"
  fi
done

# fetch FOLDER FILE PACKAGE [PATH ...]: unpacks these paths of an npm package (all without one) where FILE is not there yet, without running its install script.
fetch() {
  local folder=third_party/$1 file=$2 package=$3 scratch
  shift 3
  if [ -e "$folder/$file" ]; then return; fi
  echo "bootstrap: fetching $package"
  scratch=$(mktemp -d)
  (cd "$scratch" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz "${@/#/package/}")
  mkdir -p "$folder"
  find "$scratch/package" -mindepth 1 -maxdepth 1 -exec cp -r {} "$folder/" \;
  rm -rf "$scratch"
}
duckdb_aarch64=@duckdb/node-bindings-linux-arm64@1.4.4-r.3
duckdb_x86_64=@duckdb/node-bindings-linux-x64@1.4.4-r.4
duckdb=duckdb_$(uname -m)
header=src/duckdb/src/include/duckdb.h
fetch duckdb libduckdb.so "${!duckdb:?bootstrap: DuckDB has no package for $(uname -m)}" libduckdb.so
fetch duckdb $header duckdb@1.4.4 $header
fetch uplot dist/uPlot.iife.min.js uplot@1.6.32 dist/uPlot.iife.min.js dist/uPlot.min.css LICENSE
if [ $browser = yes ]; then fetch playwright-core index.js playwright-core@1.48.2; fi

# Libraries for 64-bit ARM, unpacked beside the system's own: their -dev packages cannot be installed together.
if [ $arm64 = yes ] && [ ! -e third_party/arm64/root ]; then
  echo "bootstrap: fetching libraries for 64-bit ARM"
  state=$PWD/third_party/arm64/apt
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  touch "$state/status"
  apt=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::State::status="$state/status"
    -o Dir::Cache="$state" -o APT::Sandbox::User=root -o APT::Update::Post-Invoke-Success=)
  apt-get "${apt[@]}" update -qq
  apt-get "${apt[@]}" install -qq --download-only --no-install-recommends "${libraries[@]}" >/dev/null
  for package in "$state"/archives/*.deb; do dpkg-deb -x "$package" third_party/arm64/unpacked; done
  rm -r "$state"
  fetch arm64/unpacked/usr/lib/aarch64-linux-gnu libduckdb.so $duckdb_aarch64 libduckdb.so
  mv third_party/arm64/unpacked third_party/arm64/root
fi

[ $build = no ] && exit 0
cmake --preset release
cmake --build build -j2 --target $targets
echo "bootstrap: ready; try build/lemur --help"
