#!/usr/bin/env bash
# Writes the documents that are generated from the code. scripts/lint.sh fails where they are out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
build/lemur options > docs/configuration.md
