#!/usr/bin/env python3
"""Ingests the folders of ../shared/cases, inputs shaped after bug reports of other readers, and checks what becomes of each.

    tests/ingest_cases.py [--lemur build/lemur] [--cases ../shared/cases]

Skipped with one line where the folder is not there: lemur/data/ingest_cases_test.cpp has small inputs of the same kinds.
"""
import argparse
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

# Folder, and configuration where it is not c.toml -> what standard error must say; or what must hold of the store.
ERRORS = {
    "appended-with-new-column": r"events\.csv: line 502 has 5 fields; the header \(line 1\) has 4",
    "comment-preamble": r"events\.csv: line 2 has 4 fields; the header \(line 1\) has 1",
    "csv-dialect": r"documents\.csv: line \d+ has \d fields?",
    "csv-hash": r"documents\.csv: line \d+ has 1 field",
    "encodings/c_dl1": r"dl1\.csv: line 2 ",
    "gz-corrupt": r"events\.csv\.gz: ",
    "gz-cut-at-line": r"events\.csv\.gz: truncated",
    "header-repeated": r"documents\.csv: line \d+",
    "parquet-glob-types": r"ev/b\.parquet: column 'label' holds 0\.6 at row 0; expected 0 or 1",
    "encodings/c_mix": r"mix\.csv lacks this document",  # the file is read; it has two documents
    "ragged-last": r"documents\.csv: line \d+ has 3 fields; the header \(line 1\) has 2",
    "time-yyyymmdd": r"column 'time' holds 20240101 at row 0 \(line 2\); it looks like a date written as yyyymmdd; "
                     r'data\.time_format = "%Y%m%d"',
}


def texts(store, stem):
    """Returns the rows of a column of texts."""
    offsets = (store / f"{stem}.offsets.u64").read_bytes()
    ends = struct.unpack(f"<{len(offsets) // 8}Q", offsets)
    bytes_ = (store / f"{stem}.bytes").read_bytes()
    return [bytes_[a:b].decode() for a, b in zip(ends, ends[1:])]


def tokens(store, document):
    offsets = struct.unpack_from("<2Q", (store / "document_tokens.offsets.u64").read_bytes(), 8 * document)
    return (store / "document_tokens.i32").read_bytes()[4 * offsets[0]:4 * offsets[1]]


def keys(store, feature, row):
    begin, end = struct.unpack_from("<2Q", (store / f"feature_{feature}.offsets.u64").read_bytes(), 8 * row)
    return {(store / f"feature_{feature}.keys.u64").read_bytes()[8 * i:8 * i + 8] for i in range(begin, end)}


def check_apostrophes(summary, store):
    assert summary["events"]["rows"] == 1000, summary["events"]
    assert any("'" in query for query in texts(store, "query_texts"))


def check_quotes(summary, store):
    rows = sum(1 for _ in open(store.parent / "input/documents.csv")) - 1
    assert summary["documents"]["rows"] == rows, summary["documents"]


def check_uint64(summary, store):
    users = {json.loads(line)["user"] for line in open(store.parent / "input/events.jsonl")}
    assert max(users) > 2**63 and set(texts(store, "user_ids")) == {str(user) for user in users}


def check_uuids(summary, store):
    documents = texts(store, "document_ids")
    assert summary["documents"]["unknown"] == 0 and all(re.fullmatch("[0-9A-F-]{36}", d) for d in documents), documents


def check_new_column(summary, store):
    missing = summary["columns"]["events"]["device"]["missing"]
    assert [part["why"] for part in missing] == ["NULL"] and missing[0]["first"][0] == "ev/a.parquet: row 0", missing
    assert missing[0]["rows"] * 2 == summary["events"]["rows"], missing


def check_binary(summary, store):
    assert all(user.startswith("zoë") for user in texts(store, "user_ids"))
    assert "café" in (store / "vocab.txt").read_text() or "cafe" in (store / "vocab.txt").read_text()


def check_float_ids(summary, store):
    assert all(name.isdigit() for stem in ("document_ids", "user_ids") for name in texts(store, stem))
    assert summary["documents"]["unknown"] == 0


def check_text_list(summary, store):
    words = (store / "vocab.txt").read_text().split()
    assert "[" not in words and tokens(store, 0) == tokens(store, 1) != b""


def check_separator(summary, store):
    assert keys(store, 2, 0) == keys(store, 2, 5) > keys(store, 2, 6) and not keys(store, 2, 4)


def check_nan(summary, store):
    missing = summary["columns"]["documents"]["cat"]["missing"]
    assert [part["why"] for part in missing] == ["no whole number"] and missing[0]["rows"] > 0, missing
    assert summary["features"]["document cat"]["missing"] == missing[0]["rows"] and not keys(store, 2, 0)


def check_rows(summary, store):
    assert summary["documents"]["rows"] > 0 and summary["events"]["rows"] > 0


STORES = {
    "encodings/c_d16": check_rows, "encodings/c_dbom": check_rows,
    "events-query-apostrophe": check_apostrophes, "float-ids": check_float_ids, "jsonl-uint64": check_uint64,
    "jsonl-uuid": check_uuids, "nan-category": check_nan, "parquet-binary": check_binary,
    "parquet-glob-new-column": check_new_column, "quotes-after-sample": check_quotes, "separator": check_separator,
    "text-list": check_text_list, "uuid-csv-jsonl": check_uuids,
}


def ingest(lemur, cases, name, work):
    """Returns exit code, summary (of exit code 0) and standard error."""
    folder, _, config = name.partition("/")
    shutil.copytree(cases / folder, work / "input")
    done = subprocess.run([lemur, "ingest", "--config", work / "input" / f"{config or 'c'}.toml", "--store", work / "store"],
                          capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr


def main():
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--lemur", default=root / "build/lemur", type=Path)
    parser.add_argument("--cases", default=root.parent / "shared/cases", type=Path)
    args = parser.parse_args()
    if not args.cases.is_dir():
        print(f"ingest_cases: skipped: {args.cases} is not there")
        return
    folders = {folder.name for folder in args.cases.iterdir() if folder.is_dir()}
    known = {name.partition("/")[0] for name in [*ERRORS, *STORES]}
    assert folders <= known, f"no expectation for {sorted(folders - known)}"
    faults = 0
    for name in sorted([*ERRORS, *STORES]):
        work = Path(tempfile.mkdtemp(prefix="lemur-ingest-case-"))
        try:
            code, summary, error = ingest(args.lemur, args.cases, name, work)
            if name in ERRORS:
                assert code == 1 and re.search(ERRORS[name], error), f"exit code {code}: {error[-500:]}"
                assert not (work / "store").exists()
            else:
                assert code == 0, error[-500:]
                STORES[name](summary, work / "store")
        except AssertionError as fault:
            faults += 1
            print(f"ingest_cases: {name}: {fault}")
        finally:
            shutil.rmtree(work)
    if faults:
        sys.exit(1)
    print(f"ingest_cases: {len(ERRORS) + len(STORES)} inputs of {len(folders)} folders give what is wanted")


if __name__ == "__main__":
    main()
