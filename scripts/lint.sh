#!/usr/bin/env bash
# Checks what a compiler does not: format, include table, generated documents, what documents and comments refer to, clang-tidy. Runs all of them and fails if one does.
# Needs the build of scripts/bootstrap.sh. clang-tidy reads only the rooms without tensors: LibTorch's headers take it too long.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() {
  local name=$1
  shift
  if "$@"; then echo "lint: $name: good"; else failed+=("$name"); fi
}

sources() { git ls-files -co --exclude-standard -- '*.h' '*.cpp' '*.cu' '*.cuh' '*.js' '*.mjs' | while read -r file; do [ -e "$file" ] && echo "$file"; done; }

format() { sources | xargs -r -P "$(nproc)" -n 16 clang-format --dry-run -Werror; }

includes() {
  local report
  report=$(python3 -B scripts/check_includes_test.py 2>&1) || {
    echo "$report" >&2
    return 1
  }
  python3 -B scripts/check_includes.py
}

documents() {
  if [ ! -f build/lemur ]; then
    echo "lint: build/lemur is missing: run scripts/bootstrap.sh" >&2
    return 1
  fi
  diff -u docs/configuration.md <(build/lemur options) || {
    echo "lint: docs/configuration.md is out of date: run scripts/generate_docs.sh" >&2
    return 1
  }
}

# Sections of docs/model.md that comments cite, and files that documents link to.
references() {
  local missing
  missing=$(
    git grep -hoE 'model\.md [0-9]+(-[0-9]+)?' -- lemur tests bench | sed 's/.* //' | tr - '\n' | sort -un | while read -r section; do
      grep -q "^## $section\. " docs/model.md || echo "model.md $section is cited; docs/model.md has no such section"
    done
    git ls-files -co --exclude-standard -- '*.md' | while read -r file; do
      grep -oE '\]\([^)#: ]+[)#]' "$file" | sed 's/^](//; s/.$//' | while read -r path; do
        [ -e "$(dirname "$file")/$path" ] || echo "$file links to $path, which is not there"
      done
    done
  )
  [ -z "$missing" ] || { echo "$missing" >&2; return 1; }
}

tidy() {
  # How each file is compiled by itself; nothing is built there.
  cmake --preset release -B build/tidy -D LEMUR_UNITY=1 >/dev/null || return 1
  # What clang-tidy prints on a clean file (how many warnings it suppressed) is noise.
  sources | grep -E '^lemur/(base|text|simd|features|input|data|synth|feedback|http|report|ablate)/[^/]*\.cpp$' | grep -v '_test\.cpp$' |
    xargs -r -P "$(nproc)" -n 1 clang-tidy -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option 2> >(grep -vE '^[0-9]+ warnings? ' >&2)
}

check format format
check includes includes
check documents documents
check references references
check tidy tidy
if [ "${#failed[@]}" -gt 0 ]; then
  echo "lint: FAILED: ${failed[*]}" >&2
  exit 1
fi
