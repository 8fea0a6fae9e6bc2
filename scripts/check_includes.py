#!/usr/bin/env python3
"""Checks who includes whom: the table of docs/data_flow.md, and which file may see which library.

    scripts/check_includes.py [ROOT]

Prints "file:line: what is wrong" for every include that breaks a rule and exits 1; silent otherwise.
"""

import pathlib
import re
import sys

# Room under lemur/ -> the rooms that it may include directly, beside itself.
ROOMS = {
    "base": set(),
    "text": {"base"},
    "simd": {"base"},
    "kernels": {"base", "simd"},
    "features": {"base"},
    "input": {"base"},
    "data": {"base", "text", "features", "input"},
    "synth": {"base", "data"},
    "report": {"base", "features", "data"},
    "ablate": {"base", "features", "data", "report"},
    "tables": {"base", "simd", "kernels"},
    "nn": {"base", "simd", "kernels"},
}
ROOMS["model"] = {"base", "text", "simd", "kernels", "features", "data", "tables", "nn"}
ROOMS["eval"] = ROOMS["model"] | {"model"}
ROOMS["train"] = ROOMS["eval"] | {"eval", "feedback"}
ROOMS["serving"] = {"base", "text", "features", "data", "tables", "nn", "model", "feedback"}
ROOMS["feedback"] = {"base"}
ROOMS["http"] = {"base", "simd", "features", "feedback", "serving"}
ROOMS["cli"] = set(ROOMS)

# Outside of the rooms: these include every room but cli. "lemur" are the tests that cross rooms.
OUTSIDE = {"lemur", "tests", "bench", "fuzz", "examples"}

# Rooms that know no tensors, for short builds.
TORCH_FREE = {"base", "text", "simd", "features", "input", "data", "synth", "feedback", "http", "report", "ablate"}
TORCH = re.compile(r"(torch|ATen|c10)/")
PRECOMPILED = {"torch/torch.h", "torch/extension.h", "torch/all.h"}

DUCKDB_USERS = {"lemur/data/database.cpp", "lemur/data/parquet_writer.cpp", "lemur/data/table_function.cpp"}
IMAGE_LIBRARIES = re.compile(r"jpeglib\.h|jerror\.h|turbojpeg\.h|png\.h|webp/.*")
IMAGE_USERS = {"lemur/data/image_jpeg.cpp", "lemur/data/image_png.cpp", "lemur/data/image_webp.cpp", "lemur/data/image_testing.h",
               "lemur/data/png_writer.cpp",
               "lemur/synth/jpeg.cpp", "lemur/synth/picture_test.cpp"}
# Of serving, the front knows what is asked and answered, and nothing that computes it.
SERVING_FOR_HTTP = {"lemur/serving/rank_request.h", "lemur/serving/ranking_backend.h", "lemur/serving/serving_observer.h"}
# Libraries that one or two files hide.
HIDDEN_LIBRARIES = {"microhttpd.h": {"lemur/http/http_server.cpp"},
                    "simdjson.h": {"lemur/http/json_reader.h", "lemur/input/text_source.cpp"},
                    "zlib.h": {"lemur/input/byte_source.cpp", "lemur/input/input_testing.h", "lemur/data/ingest_formats_test.cpp"},
                    "iconv.h": {"lemur/input/text_source.cpp"},
                    "xgboost/c_api.h": {"lemur/eval/boosted_trees.cpp"}}
NOT_FOR_SERVING = {"lemur/data/ingest.h"}

SOURCES = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """Returns the room of a file, given relative to the root: "data", "tests", "lemur" for crossing tests."""
    parts = path.split("/")
    return parts[1] if parts[0] == "lemur" and len(parts) > 2 else parts[0]


def fault_of_room(path, included):
    """Returns what is wrong with `path` including the project's own file `included`, or None."""
    own, other = room_of(path), room_of(included)
    if own == "cli" and other == "bench":
        return None  # its command
    if other in OUTSIDE - {"lemur"}:
        return None if own == other else f"{own} includes {included}; nobody includes {other}"
    if other not in ROOMS:
        return f"{included} lies in no room"
    if own == other:
        return None
    if other == "cli":
        return f"{own} includes {included}; nobody includes cli"
    if own in OUTSIDE:
        return None
    if own not in ROOMS:
        return f"'{own}' is not in the table of rooms; add it to scripts/check_includes.py"
    if other not in ROOMS[own]:
        return f"{own} includes {included}; it may include: {', '.join(sorted(ROOMS[own])) or 'nothing'}"
    if own == "serving" and included in NOT_FOR_SERVING:
        return f"serving includes {included}, which is for ingest only"
    if own == "http" and other == "serving" and included not in SERVING_FOR_HTTP:
        return f"http includes {included}; of serving it may include: {', '.join(sorted(SERVING_FOR_HTTP))}"
    return None


def fault_of_library(path, included):
    """Returns what is wrong with `path` including the library header `included`, or None."""
    if included == "duckdb.h" and path not in DUCKDB_USERS:
        return f"duckdb.h is included; only {' and '.join(sorted(DUCKDB_USERS))} may"
    if included == "duckdb.hpp":
        return "duckdb.hpp is included; the project uses the C API, duckdb.h"
    if IMAGE_LIBRARIES.fullmatch(included) and path not in IMAGE_USERS:
        return f"{included} is included; only {', '.join(sorted(IMAGE_USERS))} may"
    if path not in HIDDEN_LIBRARIES.get(included, {path}):
        return f"{included} is included; only {' and '.join(sorted(HIDDEN_LIBRARIES[included]))} may"
    if included.startswith("CLI/") and room_of(path) != "cli":
        return f"{included} is included; only lemur/cli may"
    if TORCH.match(included) and room_of(path) in TORCH_FREE:
        return f"{room_of(path)} includes {included}; it knows no tensors"
    if included in PRECOMPILED and path.endswith((".h", ".cuh")):
        return f"a header includes {included}; include torch/types.h or what is used"
    return None


def faults(path, text, exists):
    """Yields (line number, what is wrong) for a file.

    path: relative to the root, with slashes. exists: says whether such a path is a file.
    """
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, included = match.groups()
        if included.split("/")[0] in OUTSIDE and "/" in included:
            if quote == "<":
                yield number, f"<{included}> is the project's own: write it in quotes"
            elif not exists(included):
                yield number, f"{included} does not exist"
            elif fault := fault_of_room(path, included):
                yield number, fault
        elif quote == '"' and included != "duckdb.h":
            yield number, f'"{included}": write the path from the root, such as "lemur/...", or <> for a library'
        elif fault := fault_of_library(path, included):
            yield number, fault


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = 0
    checked = 0
    for folder in sorted(OUTSIDE):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES or not file.is_file():
                continue
            checked += 1
            path = file.relative_to(root).as_posix()
            for number, fault in faults(path, file.read_text("utf-8"), lambda p: (root / p).is_file()):
                print(f"{path}:{number}: {fault}")
                found += 1
    if checked == 0:
        sys.exit(f"check_includes: no sources under {root}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
