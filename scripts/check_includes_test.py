#!/usr/bin/env python3
"""Tests of check_includes.py: each rule lets through what it should and names what it should not."""

import unittest

from check_includes import ROOMS, faults


def found(path, *lines, exists=True):
    return list(faults(path, "\n".join(lines), lambda _: exists))


class CheckIncludes(unittest.TestCase):
    def allow(self, path, *lines):
        self.assertEqual(found(path, *lines), [])

    def refuse(self, path, line, message):
        self.assertEqual(found(path, "// first", line), [(2, message)])

    def test_rooms_include_what_lies_below(self):
        self.allow("lemur/data/batch.cpp", '#include "lemur/base/hash.h"', '#include "lemur/text/tokenizer.h"')
        self.allow("lemur/train/trainer.cpp", '#include "lemur/eval/metrics.h"', '#include "lemur/base/hash.h"')
        self.allow("lemur/cli/train.cpp", '#include "lemur/train/trainer.h"', '#include "lemur/cli/command.h"')
        for room in ROOMS:
            if room != "base":
                self.allow(f"lemur/{room}/x.cpp", '#include "lemur/base/hash.h"', f'#include "lemur/{room}/x.h"')

    def test_rooms_do_not_look_up_or_sideways(self):
        self.refuse("lemur/nn/mlp.h", '#include "lemur/data/batch.h"',
                    "nn includes lemur/data/batch.h; it may include: base, kernels, simd")
        self.refuse("lemur/base/hash.h", '  #  include "lemur/text/tokenizer.h"',
                    "base includes lemur/text/tokenizer.h; it may include: nothing")
        for own, other in [("tables", "nn"), ("nn", "tables"), ("data", "tables"), ("text", "kernels"),
                           ("model", "eval"), ("eval", "train"), ("serving", "train"), ("synth", "model")]:
            self.assertEqual(len(found(f"lemur/{own}/x.cpp", f'#include "lemur/{other}/y.h"')), 1, (own, other))

    def test_nobody_includes_cli(self):
        for path in ["tests/x.cpp", "bench/x.cpp", "lemur/train/x.cpp", "lemur/world_test.cpp"]:
            self.assertIn("nobody includes cli", found(path, '#include "lemur/cli/command.h"')[0][1])

    def test_only_cli_includes_bench(self):
        self.allow("lemur/cli/x.cpp", '#include "bench/x.h"')
        self.refuse("lemur/train/x.cpp", '#include "bench/x.h"', "train includes bench/x.h; nobody includes bench")

    def test_tests_and_benches_include_every_room(self):
        for path in ["tests/x.cpp", "bench/x.cpp", "fuzz/x.cpp", "lemur/world_test.cpp"]:
            self.allow(path, *(f'#include "lemur/{room}/x.h"' for room in ROOMS if room != "cli"))

    def test_tests_and_benches_include_their_own_only(self):
        self.allow("tests/x_test.cpp", '#include "tests/world_fixture.h"')
        self.refuse("lemur/train/x_test.cpp", '#include "tests/world_fixture.h"',
                    "train includes tests/world_fixture.h; nobody includes tests")

    def test_serving_knows_no_ingest(self):
        self.allow("lemur/serving/x.cpp", '#include "lemur/data/batch.h"')
        self.refuse("lemur/serving/x.cpp", '#include "lemur/data/ingest.h"',
                    "serving includes lemur/data/ingest.h, which is for ingest only")

    def test_the_front_knows_what_is_asked_and_not_what_computes_it(self):
        self.allow("lemur/http/x.cpp", '#include "lemur/serving/ranking_backend.h"', '#include "lemur/feedback/feedback_log.h"')
        self.assertIn("of serving it may include", found("lemur/http/x.cpp", '#include "lemur/serving/predictor.h"')[0][1])
        self.assertEqual(len(found("lemur/http/x.cpp", '#include "lemur/model/ranking_model.h"')), 1)
        self.refuse("lemur/http/x.cpp", "#include <ATen/ATen.h>", "http includes ATen/ATen.h; it knows no tensors")

    def test_the_libraries_of_http_have_one_user_each(self):
        self.allow("lemur/http/http_server.cpp", "#include <microhttpd.h>")
        self.allow("lemur/http/json_reader.h", "#include <simdjson.h>")
        self.refuse("lemur/http/http_api.cpp", "#include <microhttpd.h>",
                    "microhttpd.h is included; only lemur/http/http_server.cpp may")
        self.refuse("lemur/http/rank_json.cpp", "#include <simdjson.h>",
                    "simdjson.h is included; only lemur/http/json_reader.h and lemur/input/text_source.cpp may")

    def test_one_file_sees_the_library_of_trees(self):
        self.allow("lemur/eval/boosted_trees.cpp", "#include <xgboost/c_api.h>")
        self.refuse("lemur/eval/baselines.cpp", "#include <xgboost/c_api.h>",
                    "xgboost/c_api.h is included; only lemur/eval/boosted_trees.cpp may")

    def test_duckdb_has_two_users(self):
        self.allow("lemur/data/database.cpp", '#include "duckdb.h"')
        self.allow("lemur/data/parquet_writer.cpp", "#include <duckdb.h>")
        for path in ["lemur/data/ingest.cpp", "lemur/data/database.h", "tests/x.cpp"]:
            self.assertIn("duckdb.h is included", found(path, "#include <duckdb.h>")[0][1])

    def test_only_the_decoders_see_the_image_libraries(self):
        self.allow("lemur/data/image_jpeg.cpp", "#include <jpeglib.h>", "#include <jerror.h>")
        self.allow("lemur/data/image_png.cpp", "#include <png.h>")
        self.allow("lemur/data/image_webp.cpp", "#include <webp/decode.h>", "#include <webp/demux.h>")
        self.allow("lemur/data/image_testing.h", "#include <jpeglib.h>", "#include <png.h>", "#include <webp/encode.h>")
        self.allow("lemur/synth/jpeg.cpp", "#include <jpeglib.h>")
        for path in ["lemur/data/image_decoder.cpp", "lemur/data/ingest_images.cpp", "tests/x.cpp"]:
            for header in ["jpeglib.h", "jerror.h", "png.h", "webp/decode.h"]:
                self.assertIn(f"{header} is included; only lemur/data/", found(path, f"#include <{header}>")[0][1])

    def test_headers_leave_the_precompiled_header_alone(self):
        self.allow("lemur/nn/mlp.cpp", "#include <torch/torch.h>")
        self.allow("lemur/nn/mlp.h", "#include <torch/types.h>")
        self.refuse("lemur/nn/mlp.h", "#include <torch/torch.h>",
                    "a header includes torch/torch.h; include torch/types.h or what is used")

    def test_some_rooms_know_no_tensors(self):
        self.refuse("lemur/data/batch.cpp", "#include <ATen/ATen.h>", "data includes ATen/ATen.h; it knows no tensors")

    def test_only_the_commands_parse_arguments(self):
        self.allow("lemur/cli/main.cpp", "#include <CLI/CLI.hpp>")
        self.refuse("lemur/base/config.cpp", "#include <CLI/CLI.hpp>",
                    "CLI/CLI.hpp is included; only lemur/cli may")

    def test_paths_start_at_the_root(self):
        self.assertEqual(len(found("lemur/data/batch.cpp", '#include "batch.h"')), 1)
        self.assertEqual(len(found("lemur/data/batch.cpp", "#include <lemur/data/batch.h>")), 1)
        self.assertEqual(found("lemur/data/batch.cpp", '#include "lemur/data/gone.h"', exists=False),
                         [(1, "lemur/data/gone.h does not exist")])

    def test_unknown_rooms_are_named(self):
        self.assertIn("lies in no room", found("lemur/data/x.cpp", '#include "lemur/utils/x.h"')[0][1])
        self.assertIn("'utils' is not in the table", found("lemur/utils/x.cpp", '#include "lemur/base/x.h"')[0][1])

    def test_comments_are_no_includes(self):
        self.allow("lemur/base/hash.h", '// #include "lemur/train/trainer.h"')


if __name__ == "__main__":
    unittest.main()
