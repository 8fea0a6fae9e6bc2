#!/usr/bin/env bash
# From nothing to a measured ranker: installs, builds what it runs, simulates a small world, ingests it, trains LEMUR and a baseline on it, and compares both with the
# world's true click probability; then writes the report.
#   scripts/demo.sh [FOLDER]   where to work; default: demo/, begun anew
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh --targets "lemur lemur-learn"
export PATH="$PWD/third_party/bin:$PATH"  # the interpreter that bootstrap chose
work=${1:-demo}
rm -rf "$work"
mkdir -p "$work"

build/lemur synth --out "$work/world" --documents 5000 --users 1000 --events 60000
build/lemur ingest --config "$work/world/world.toml" --store "$work/store" > "$work/summary.json"
build/lemur inspect "$work/store" | sed -n 1,20p  # head would end inspect before it is done

echo "== DLRM-MLP: IDs and numbers only"
build/lemur train --config "$work/world/world.toml" --store "$work/store" --run "$work/mlp" \
  --set model.ranker=mlp model.content=false model.id_history=false bank.enabled=false
echo "== LEMUR: raw text, memory bank, end to end"
build/lemur train --config "$work/world/world.toml" --store "$work/store" --run "$work/lemur"

for run in mlp lemur; do
  build/lemur evaluate --run "$work/$run" --store "$work/store" --json > "$work/$run.json"
done
python3 - "$work" <<'PY'
import json, sys
for name in ("mlp", "lemur"):
    result = json.load(open(f"{sys.argv[1]}/{name}.json"))
    cold = result["slices"]["document_seen"]["0"]["auc"]
    print(f"{name:6} AUC {result['auc']:.4f}  QAUC {result['qauc']:.4f}  log loss {result['log_loss']:.4f}  AUC on unseen documents "
          + ("-" if cold is None else f"{cold:.4f}"))
PY
build/lemur report --run "$work/mlp" "$work/lemur" --out "$work/report.html"
echo "Open it in a browser. More: build/lemur inspect $work/lemur"
echo "Rank over HTTP: cmake --build build --target lemur-serve && build/lemur serve --run $work/lemur --store $work/store"
